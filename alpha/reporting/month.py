"""The report of a month: what each bot and the portfolio made, and whether it is proven. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import ZERO
from alpha.domain.trade import Trade
from alpha.ledger.monthly import BeforeBeginning, BotDay, KnownBot, Unattributed
from alpha.ledger.proofs import COLUMNS, EntryRow, ProofRow


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of UTC days."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """`2025-01`. Raises InvalidValue."""
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            raise InvalidValue(f"{text!r} is no month: write it as 2025-01") from None
        if first.year == date.max.year:
            # No instant would be behind its end.
            raise InvalidValue(f"{text!r} is no month of any market")
        return cls(first.year, first.month)

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return date(self.year, self.number, monthrange(self.year, self.number)[1])

    @property
    def days(self) -> Sequence[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return datetime.combine(self.last + timedelta(days=1), datetime.min.time(), tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Round trips that have something in common."""

    name: str
    trades: int
    won: int
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal

    @property
    def win_percent(self) -> Decimal:
        return Decimal(100 * self.won) / self.trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What one bot, or all together, did in the month, in USDT.

    `result` = gross P&L of the round trips that closed, less the fees and plus the funding of the month's fills; a
    position that is still open counts with its fees and funding so far. `daily` is the result of each day.
    """

    name: str
    account: AccountName | None
    strategy: str
    capital: Decimal | None
    daily: Mapping[date, Decimal]
    fills: int
    volume: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    trades: Sequence[Trade]

    @property
    def result(self) -> Decimal:
        return self.gross_pnl - self.fees + self.funding

    @property
    def won(self) -> int:
        return sum(trade.net_pnl > 0 for trade in self.trades)

    @property
    def profit_factor(self) -> Decimal | None:
        """Net profit of the winning round trips over the net loss of the losing ones; None without a loss."""
        lost = -sum((trade.net_pnl for trade in self.trades if trade.net_pnl < 0), ZERO)
        return sum((trade.net_pnl for trade in self.trades if trade.net_pnl > 0), ZERO) / lost if lost else None

    @property
    def return_percent(self) -> Decimal | None:
        """The result in percent of the capital that the bot declares; None where it declares none."""
        return None if not self.capital else 100 * self.result / self.capital

    @property
    def curve(self) -> list[Decimal]:
        """The result from the beginning of the month to the end of each day."""
        return list(accumulate(self.daily.values()))

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall of the curve below its highest so far, which begins at 0."""
        highest = deepest = ZERO
        for total in self.curve:
            highest = max(highest, total)
            deepest = max(deepest, highest - total)
        return deepest

    @property
    def best(self) -> Trade | None:
        return max(self.trades, key=lambda trade: trade.net_pnl, default=None)

    @property
    def worst(self) -> Trade | None:
        return min(self.trades, key=lambda trade: trade.net_pnl, default=None)

    def by_exit_reason(self) -> list[Group]:
        return _groups(self.trades, lambda trade: trade.exit_reason.value)

    def by_symbol(self) -> list[Group]:
        return _groups(self.trades, lambda trade: trade.key.symbol)

    def to_json(self) -> dict[str, Any]:
        """Plain values; money is text."""
        return {
            "name": self.name,
            "account": self.account,
            "strategy": self.strategy,
            "capital": _text(self.capital),
            "result": _text(self.result),
            "return_percent": _text(self.return_percent),
            "gross_pnl": _text(self.gross_pnl),
            "fees": _text(self.fees),
            "funding": _text(self.funding),
            "volume": _text(self.volume),
            "fills": self.fills,
            "trades": len(self.trades),
            "won": self.won,
            "profit_factor": _text(self.profit_factor),
            "drawdown": _text(self.drawdown),
            "daily": {day.isoformat(): _text(value) for day, value in self.daily.items() if value},
            "exit_reasons": [_group_json(group) for group in self.by_exit_reason()],
            "symbols": [_group_json(group) for group in self.by_symbol()],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMonth:
    """The double entry of an account's month in one coin, from the proofs of its days: COLUMNS of exchange and ledger,
    opening being that of the first judged day."""

    account: AccountName
    coin: str
    exchange: Sequence[Decimal]
    ledger: Sequence[Decimal]

    @property
    def residual(self) -> Decimal:
        """What exchange and ledger moved differently, summed over the days."""
        inner = range(1, len(COLUMNS) - 1)
        return sum((self.exchange[column] - self.ledger[column] for column in inner), ZERO)

    def to_json(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "coin": self.coin,
            "exchange": dict(zip(COLUMNS, map(_text, self.exchange), strict=True)),
            "ledger": dict(zip(COLUMNS, map(_text, self.ledger), strict=True)),
            "residual": _text(self.residual),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOfMonth:
    """What the proofs say of the month: days with a verdict, those that failed, and the days without one that need one;
    and the fills that no bot's result holds."""

    proven: int
    failed: Sequence[ProofRow]
    not_judged: Sequence[tuple[AccountName, date]]
    unattributed: Sequence[Unattributed] = ()

    @property
    def holds(self) -> bool:
        """Whether every day that needs a verdict is proven, and the bots' results are all of the accounts'."""
        return not self.failed and not self.not_judged and not self.unattributed and self.proven > 0

    @property
    def words(self) -> str:
        """One sentence."""
        if self.holds:
            return f"Proven: the books of {_days(self.proven)} equal the exchange's."
        parts = []
        if self.failed:
            days = ", ".join(f"{row.account} {row.day}" for row in self.failed[:5])
            parts.append(f"{_days(len(self.failed))} failed ({days}{' and more' if len(self.failed) > 5 else ''})")
        if self.not_judged:
            days = ", ".join(f"{account} {day}" for account, day in self.not_judged[:5])
            more = " and more" if len(self.not_judged) > 5 else ""
            parts.append(f"{_days(len(self.not_judged))} of trading not judged yet ({days}{more}; run alpha proof)")
        if self.unattributed:
            count = sum(each.fills for each in self.unattributed)
            parts.append(f"{count} fills have no owner and are in no bot's result (see alpha assign)")
        return f"NOT proven: {'; '.join(parts) or 'no day was judged; run alpha proof'}. {_days(self.proven)} proven."

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "text": self.words,
            "proven_days": self.proven,
            "failed": [
                {"account": row.account, "day": row.day.isoformat(), "findings": list(row.findings)}
                for row in self.failed
            ],
            "not_judged": [{"account": account, "day": day.isoformat()} for account, day in self.not_judged],
            "unattributed": [
                {
                    "account": each.account,
                    "fills": each.fills,
                    "fees": _text(each.fees),
                    "funding": _text(each.funding),
                }
                for each in self.unattributed
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    month: Month
    portfolio: Performance
    bots: Sequence[Performance]
    accounts: Sequence[AccountMonth]
    proof: ProofOfMonth
    before: Sequence[BeforeBeginning] = ()
    """Fills of the month that are in no result, as they are from before the ledger's beginning."""

    def to_json(self) -> dict[str, Any]:
        """The documented object of `alpha report --json`. Money is text."""
        return {
            "month": str(self.month),
            "proof": self.proof.to_json(),
            "portfolio": self.portfolio.to_json(),
            "bots": [bot.to_json() for bot in self.bots],
            "accounts": [account.to_json() for account in self.accounts],
            "before_beginning": [
                {
                    "account": each.account,
                    "fills": each.fills,
                    "fees": _text(each.fees),
                    "funding": _text(each.funding),
                }
                for each in self.before
            ],
        }


def report_of(
    month: Month,
    known: Iterable[KnownBot],
    days: Sequence[BotDay],
    trades: Sequence[Trade],
    proofs: Sequence[ProofRow],
    *,
    due: Collection[tuple[AccountName, date]],
    unattributed: Sequence[Unattributed] = (),
    before: Sequence[BeforeBeginning] = (),
    last: date | None = None,
) -> MonthReport:
    """The report until `last`, the last day that the ledger knows of; days that have not come yet are no days without a
    result. A bot that is not active any more is left out where it did nothing.

    `due` are the days that need a verdict whether somebody traded or not, beside those on which a bot did; `proofs` are
    the verdicts that count. `unattributed` are the month's fills that no bot owns, `before` those from before the
    ledger's beginning.
    """
    told = [day for day in month.days if last is None or day <= last] or month.days[:1]
    by_bot: defaultdict[BotId, list[BotDay]] = defaultdict(list)
    for day in days:
        by_bot[day.bot].append(day)
    trades_of: defaultdict[BotId, list[Trade]] = defaultdict(list)
    for trade in trades:
        trades_of[trade.key.bot].append(trade)
    bots = [bot for bot in known if bot.active or by_bot[bot.bot]]
    accounts_of = {bot.bot: bot.account for bot in bots}
    performances = [
        _performance(
            told, bot.bot, by_bot[bot.bot], trades_of[bot.bot], bot.capital, account=bot.account, strategy=bot.strategy
        )
        for bot in bots
    ]
    capitals = [bot.capital for bot in bots]
    together = None if None in capitals or not capitals else sum((each or ZERO for each in capitals), ZERO)
    traded = {(accounts_of[day.bot], day.day) for day in days if day.bot in accounts_of}
    return MonthReport(
        month=month,
        portfolio=_performance(told, "portfolio", days, trades, together, account=None, strategy=""),
        bots=sorted(performances, key=lambda each: each.name),
        accounts=_accounts(proofs),
        proof=ProofOfMonth(
            proven=sum(1 for row in proofs if row.proven),
            failed=[row for row in proofs if not row.proven],
            not_judged=sorted(
                traded.union(due) - {(row.account, row.day) for row in proofs}, key=lambda pair: (pair[1], pair[0])
            ),
            unattributed=unattributed,
        ),
        before=before,
    )


def _performance(
    told: Sequence[date],
    name: str,
    days: Sequence[BotDay],
    trades: Sequence[Trade],
    capital: Decimal | None,
    *,
    account: AccountName | None,
    strategy: str,
) -> Performance:
    daily = dict.fromkeys(told, ZERO)
    for day in days:
        daily[day.day] += day.result
    return Performance(
        name=name,
        account=account,
        strategy=strategy,
        capital=capital,
        daily=daily,
        fills=sum(day.fills for day in days),
        volume=sum((day.volume for day in days), ZERO),
        gross_pnl=sum((day.gross_pnl for day in days), ZERO),
        fees=sum((day.fees for day in days), ZERO),
        funding=sum((day.funding for day in days), ZERO),
        trades=trades,
    )


def _accounts(proofs: Sequence[ProofRow]) -> list[AccountMonth]:
    rows: defaultdict[tuple[AccountName, str], list[EntryRow]] = defaultdict(list)
    for proof in sorted(proofs, key=lambda each: each.day):
        for entry in proof.entries:
            rows[proof.account, entry.coin].append(entry)
    return [
        AccountMonth(
            account=account,
            coin=coin,
            exchange=_summed([entry.exchange for entry in entries]),
            ledger=_summed([entry.ledger for entry in entries]),
        )
        for (account, coin), entries in sorted(rows.items())
    ]


def _summed(days: Sequence[Sequence[Decimal]]) -> list[Decimal]:
    inner = range(1, len(COLUMNS) - 1)
    return [days[0][0], *(sum((day[column] for day in days), ZERO) for column in inner), days[-1][-1]]


def _groups(trades: Sequence[Trade], name_of: Callable[[Trade], str]) -> list[Group]:
    grouped: defaultdict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        grouped[name_of(trade)].append(trade)
    return [
        Group(
            name=name,
            trades=len(of_name),
            won=sum(trade.net_pnl > 0 for trade in of_name),
            gross_pnl=sum((trade.gross_pnl for trade in of_name), ZERO),
            fees=sum((trade.fees for trade in of_name), ZERO),
            funding=sum((trade.funding for trade in of_name), ZERO),
            net_pnl=sum((trade.net_pnl for trade in of_name), ZERO),
        )
        for name, of_name in sorted(grouped.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "trades": group.trades,
        "won": group.won,
        "gross_pnl": _text(group.gross_pnl),
        "fees": _text(group.fees),
        "funding": _text(group.funding),
        "net_pnl": _text(group.net_pnl),
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _days(count: int) -> str:
    return f"{count} {'day' if count == 1 else 'days'}"
