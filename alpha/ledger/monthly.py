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
