"""What a report of a month is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId
from alpha.domain.trade import Trade
from alpha.ledger.book_rows import KEY, TRADE_COLUMNS, trade_of_row
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDay:
    """A bot's UTC day: volume, fees (above 0 paid) and funding (above 0 received) of its fills, and the gross and net
    P&L of the round trips that closed."""

    bot: BotId
    day: date
    fills: int
    volume: Decimal
    fees: Decimal
    funding: Decimal
    trades: int
    gross_pnl: Decimal
    net_pnl: Decimal

    @property
    def result(self) -> Decimal:
        """What the day made: round trips closed, less the day's fees, plus its funding."""
        return self.gross_pnl - self.fees + self.funding


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBot:
    bot: BotId
    account: AccountName
    strategy: str
    capital: Decimal | None
    active: bool


def bot_days(connection: Connection, first: date, last: date) -> list[BotDay]:
    """Each day on which a bot had a fill or closed a round trip, both ends included, by bot and day."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT bot, day, fills, volume, fees, funding, trades, gross_pnl, net_pnl"
            " FROM trading.bot_daily_performance WHERE day BETWEEN %s AND %s ORDER BY bot, day",
            (first, last),
        )
        return [
            BotDay(
                bot=bot,
                day=day,
                fills=int(fills),
                volume=volume,
                fees=fees,
                funding=funding,
                trades=int(trades),
                gross_pnl=gross,
                net_pnl=net,
            )
            for bot, day, fills, volume, fees, funding, trades, gross, net in cursor.fetchall()
        ]


def trades_closed(connection: Connection, since: datetime, until: datetime) -> list[Trade]:
    """The round trips with since <= closed_at < until (market clock), oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT {", ".join((*KEY, *TRADE_COLUMNS))} FROM trading.trades
            WHERE closed_at >= %s AND closed_at < %s
                AND account NOT IN (SELECT account FROM trading.uncounted_accounts)
            ORDER BY closed_at, first_exec_id
            """,
            (since, until),
        )
        return [trade_of_row(row) for row in cursor.fetchall()]


def known_bots(connection: Connection) -> list[KnownBot]:
    """Every bot that was ever registered on an account that counts."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT bot, account, strategy, capital_usdt, active FROM trading.bots"
            " WHERE account NOT IN (SELECT account FROM trading.uncounted_accounts) ORDER BY bot"
        )
        return [
            KnownBot(bot=bot, account=account, strategy=strategy, capital=capital, active=active)
            for bot, account, strategy, capital, active in cursor.fetchall()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattributed:
    """Fills of an account that no bot owns, so that no bot's result holds them. Fees above 0 were paid, funding above 0
    was received."""

    account: AccountName
    fills: int
    fees: Decimal
    funding: Decimal


def unattributed_between(connection: Connection, since: datetime, until: datetime) -> list[Unattributed]:
    """What nobody owns of the fills with since <= exec_time < until (market clock), by account."""
    sums = _in_no_result(connection, "trading.owned_fills WHERE bot IS NULL AND", since, until)
    return [
        Unattributed(account=account, fills=fills, fees=fees, funding=funding) for account, fills, fees, funding in sums
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeBeginning:
    """Fills of an account from before the ledger's beginning, which an opening position has counted already: no bot's
    result holds them. Fees above 0 were paid, funding above 0 was received."""

    account: AccountName
    fills: int
    fees: Decimal
    funding: Decimal


def before_beginning(connection: Connection, since: datetime, until: datetime) -> list[BeforeBeginning]:
    """What opening positions include of the fills with since <= exec_time < until (market clock), by account."""
    sums = _in_no_result(connection, "trading.fills_before_beginning WHERE", since, until)
    return [
        BeforeBeginning(account=account, fills=fills, fees=fees, funding=funding)
        for account, fills, fees, funding in sums
    ]


def trading_accounts(connection: Connection) -> dict[AccountName, datetime | None]:
    """The accounts that count and have an active bot, each with the present time of its market as far as the ledger
    knows: only a paper market has a clock of its own, None says that it is the world's."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT a.account, CASE a.kind WHEN 'paper' THEN greatest(
                (SELECT max(c.ended_at) FROM trading.coverage AS c WHERE c.account = a.account),
                (SELECT max(l.at) FROM trading.account_log AS l WHERE l.account = a.account),
                (SELECT max(e.at) FROM trading.equity_snapshots AS e WHERE e.account = a.account)
            ) END
            FROM trading.accounts AS a
            WHERE EXISTS (SELECT FROM trading.bots AS b WHERE b.account = a.account AND b.active)
                AND a.account NOT IN (SELECT account FROM trading.uncounted_accounts)
            """
        )
        return dict(cursor.fetchall())


def traded_between(connection: Connection, account: AccountName, since: datetime, until: datetime) -> bool:
    """Whether the account has a fill with since < exec_time < until (market clock)."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT FROM trading.fills WHERE account = %s AND exec_time > %s AND exec_time < %s LIMIT 1",
            (account, since, until),
        )
        return cursor.fetchone() is not None


def last_fill_day(connection: Connection) -> date | None:
    """The last UTC day on which a bot had a fill or closed a round trip."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT max(day) FROM trading.bot_daily_performance")
        row = cursor.fetchone()
    return row[0] if row else None


def _in_no_result(
    connection: Connection, which: str, since: datetime, until: datetime
) -> list[tuple[AccountName, int, Decimal, Decimal]]:
    """Account, number, fees and funding of fills that no bot's result holds. `which` begins their condition."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT account, count(*), coalesce(sum(fee) FILTER (WHERE exec_type <> 'Funding'), 0),"
            " coalesce(-sum(fee) FILTER (WHERE exec_type = 'Funding'), 0)"
            f" FROM {which} exec_time >= %s AND exec_time < %s"
            " AND account NOT IN (SELECT account FROM trading.uncounted_accounts) GROUP BY account ORDER BY account",
            (since, until),
        )
        return cursor.fetchall()
