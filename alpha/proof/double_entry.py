"""The double entry of a day: what moved the balance of a coin, from the exchange's log and from our ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from alpha.domain.position import ZERO
from alpha.exchange.account_books import LogEntry
from alpha.proof.days import day_of, start_of_day
from alpha.proof.finding import CENT, CheckName, Finding, plain
from alpha.proof.pairing import Pair, is_execution

_TRANSFERS = frozenset({"TRANSFER_IN", "TRANSFER_OUT"})
_COLUMNS = ("trades", "fees", "funding", "transfers", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One side's account of a day in one coin. Every column as it moved the balance: fees paid are below 0."""

    opening: Decimal = ZERO
    trades: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    transfers: Decimal = ZERO
    other: Decimal = ZERO

    @property
    def change(self) -> Decimal:
        return self.trades + self.fees + self.funding + self.transfers + self.other

    def to_json(self, closing: Decimal) -> dict[str, str]:
        columns = {"opening": self.opening} | {name: getattr(self, name) for name in _COLUMNS}
        return {name: plain(value) for name, value in columns.items()} | {"closing": plain(closing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleEntry:
    """Both sides' accounts of one day in one coin.

    `closing` is the balance that the exchange's last row of the day left. Transfers and other are the exchange's word
    on both sides: of what is no execution our ledger knows nothing. `explanation` says what residual and other are
    made of.
    """

    day: date
    coin: str
    exchange: Entry
    closing: Decimal
    ledger: Entry
    explanation: str

    @property
    def ledger_closing(self) -> Decimal:
        return self.ledger.opening + self.ledger.change

    @property
    def residual(self) -> Decimal:
        return self.closing - self.ledger_closing

    def differing(self) -> dict[str, Decimal]:
        """The columns in which the sides differ by a cent or more: exchange less ledger."""
        found = {name: getattr(self.exchange, name) - getattr(self.ledger, name) for name in _COLUMNS}
        found["closing"] = self.residual
        return {name: difference for name, difference in found.items() if abs(difference) >= CENT}

    def to_json(self) -> dict[str, Any]:
        """Plain values; money is text."""
        return {
            "day": self.day.isoformat(),
            "coin": self.coin,
            "exchange": self.exchange.to_json(self.closing),
            "ledger": self.ledger.to_json(self.ledger_closing),
            "residual": plain(self.residual),
            "explanation": self.explanation,
        }


@dataclass(frozen=True, slots=True)
class Balances:
    """How the balance of one coin ran through the log: what each day opened and closed with."""

    opening: dict[date, Decimal]
    closing: dict[date, Decimal]
    breaks: list[Finding]


def enter(
    days: Iterable[date], rows: Sequence[LogEntry], pairs: Sequence[Pair], before: dict[str, Decimal]
) -> tuple[list[DoubleEntry], list[Finding]]:
    """The double entry of each day and each coin, and what speaks against it.

    `rows` are all of the log of these days, in its order; `pairs` those of them that are executions beside our fills;
    `before` is the balance of each coin before the first row, where it is known.
    """
    coins = sorted(before.keys() | {row.currency for row in rows} | {pair.coin for pair in pairs})
    days = list(days)
    entries: list[DoubleEntry] = []
    findings: list[Finding] = []
    for coin in coins:
        of_coin = [row for row in rows if row.currency == coin]
        balances = _run(of_coin, before.get(coin), days)
        findings += balances.breaks
        by_day = {day: list(group) for day, group in groupby(of_coin, key=lambda row: day_of(row.at))}
        pairs_by_day: defaultdict[date, list[Pair]] = defaultdict(list)
        for pair in pairs:
            if pair.coin == coin:
                pairs_by_day[day_of(pair.at)].append(pair)
        findings += [_unexplained(row) for row in of_coin if is_execution(row) and _beside(row) != row.bonus_change]
        for day in days:
            entry = _entry(day, coin, by_day.get(day, []), pairs_by_day[day], balances)
            entries.append(entry)
            findings += _against(entry, pairs_by_day[day])
    return sorted(entries, key=lambda entry: (entry.day, entry.coin)), findings


def _run(rows: Sequence[LogEntry], before: Decimal | None, days: Sequence[date]) -> Balances:
    """Follows the balance from row to row. Rows of one instant may come in any order: they continue the balance when,
    between them, every start but the first is another row's end."""
    opening: dict[date, Decimal] = {}
    closing: dict[date, Decimal] = {}
    breaks: list[Finding] = []
    held = before
    for at, group in groupby(rows, key=attrgetter("at")):
        together = list(group)
        starts = Counter(_start(row) for row in together)
        ends = Counter(row.balance for row in together)
        loose = starts - ends
        # Without a loose start they run in a circle: the balance ends where it began.
        first = held if held is not None and (held in loose or not loose) else next(iter(loose), _start(together[0]))
        breaks += [_break(row, held, at) for row in together if _start(row) in loose and _start(row) != first]
        if held is not None and first != held:
            breaks += [_break(row, held, at) for row in together if _start(row) == first][:1]
        opening.setdefault(day_of(at), first if held is None else held)
        loose_ends = ends - starts
        held = next((row.balance for row in reversed(together) if row.balance in loose_ends), first)
        closing[day_of(at)] = held
    held = before if before is not None else next(iter(opening.values()), ZERO)
    for day in days:
        opening.setdefault(day, held)
        held = closing.setdefault(day, opening[day])
    return Balances(opening, closing, breaks)


def _start(row: LogEntry) -> Decimal:
    return row.balance - row.change


def _beside(row: LogEntry) -> Decimal:
    """What an execution moved beside its P&L, its fee and its funding."""
    return row.change - (row.cash_flow - row.fee + row.funding)


def _unexplained(row: LogEntry) -> Finding:
    bonus = f", of which {plain(row.bonus_change)} is bonus" if row.bonus_change else ""
    return Finding(
        check=CheckName.DOUBLE_ENTRY,
        subject=row.log_id,
        text=(
            f"the exchange's row moves {plain(_beside(row))} {row.currency} beside its P&L, fee and funding{bonus} "
            f"({row.type} {row.symbol}, execution {row.trade_id})"
        ),
        at=row.at,
    )


def _break(row: LogEntry, held: Decimal | None, at: datetime) -> Finding:
    before = "" if held is None else f"{plain(held)} {row.currency} before, and "
    return Finding(
        check=CheckName.BALANCE,
        subject=row.log_id,
        text=(
            f"the exchange's log jumps: {before}this row ({row.type} {row.symbol} {plain(row.change)}, "
            f"{at.isoformat(timespec='milliseconds')}) begins at {plain(_start(row))}"
        ),
        at=at,
    )


def _entry(day: date, coin: str, rows: Sequence[LogEntry], pairs: Sequence[Pair], balances: Balances) -> DoubleEntry:
    trades = fees = funding = transfers = other = ZERO
    strange: Counter[str] = Counter()
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if is_execution(row):
            trades, fees, funding = trades + row.cash_flow, fees - row.fee, funding + row.funding
            beside = _beside(row)
            name = "beside executions (bonus)"
        else:
            beside = row.change
            name = row.type
            if row.type in _TRANSFERS:
                transfers, beside = transfers + beside, ZERO
        if beside:
            other += beside
            strange[name] += 1
            amounts[name] += beside
    opening = balances.opening[day]
    ours = [pair.booking for pair in pairs if pair.booking is not None]
    untold = [pair.row.cash_flow for pair in pairs if pair.row and pair.booking and pair.booking.from_before]
    known = [each.pnl for each in ours if not each.from_before]
    ledger = Entry(
        opening=opening,
        trades=sum(known, ZERO) + sum(untold, ZERO),
        fees=sum((each.fees for each in ours), ZERO),
        funding=sum((each.funding for each in ours), ZERO),
        transfers=transfers,
        other=other,
    )
    entry = DoubleEntry(
        day=day,
        coin=coin,
        exchange=Entry(opening=opening, trades=trades, fees=fees, funding=funding, transfers=transfers, other=other),
        closing=balances.closing[day],
        ledger=ledger,
        explanation="",
    )
    words = [f"{count} {name}: {plain(amounts[name])}" for name, count in sorted(strange.items())]
    if untold:
        words.append(
            f"{len(untold)} fills close what is older than the ledger: {plain(sum(untold, ZERO))}, as the log says"
        )
    if entry.residual and not entry.differing():
        closed = sum(1 for each in ours if each.closed)
        words.append(f"residual {plain(entry.residual)}: rounding of {closed} closing fills")
    return DoubleEntry(
        day=day,
        coin=coin,
        exchange=entry.exchange,
        closing=entry.closing,
        ledger=ledger,
        explanation="; ".join(words),
    )


def _against(entry: DoubleEntry, pairs: Sequence[Pair]) -> list[Finding]:
    differing = entry.differing()
    if not differing:
        return []
    alone = sum(1 for pair in pairs if pair.row is None or pair.booking is None)
    columns = ", ".join(f"{name} by {plain(difference)}" for name, difference in differing.items())
    hint = f"; {alone} executions are on one side only" if alone else ""
    return [
        Finding(
            check=CheckName.DOUBLE_ENTRY,
            subject=f"{entry.day} {entry.coin}",
            text=f"the exchange and the ledger differ in {columns} (exchange less ledger){hint}",
            at=start_of_day(entry.day),
        )
    ]
