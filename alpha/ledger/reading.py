from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId
from alpha.domain.trade_book import TradeBook
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fill_rows import SELECT_RECORDED, RecordedFill, recorded_of_row


def fills_after(connection: Connection, bot: BotId, bot_seq: int, limit: int = 1000) -> list[RecordedFill]:
    """The bot's fills with a higher number, in commit order. The numbers have no gap."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {SELECT_RECORDED} FROM trading.fills WHERE bot = %s AND bot_seq > %s ORDER BY bot_seq LIMIT %s",
            (bot, bot_seq, limit),
        )
        return [recorded_of_row(row) for row in cursor.fetchall()]


def bot_head(connection: Connection, bot: BotId) -> int:
    """Number of the bot's last fill; 0 when it has none."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT last_seq FROM trading.bot_heads WHERE bot = %s", (bot,))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def bot_heads(connection: Connection) -> dict[BotId, int]:
    """Number of the last fill of every bot that has one."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT bot, last_seq FROM trading.bot_heads")
        return {BotId(bot): int(last) for bot, last in cursor.fetchall()}


def fills_between(connection: Connection, account: AccountName, since: datetime, until: datetime) -> list[RecordedFill]:
    """The account's fills with since <= exec_time < until (market clock), in execution order."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {SELECT_RECORDED} FROM trading.fills"
            " WHERE account = %s AND exec_time >= %s AND exec_time < %s ORDER BY exec_time",
            (account, since, until),
        )
        found = [recorded_of_row(row) for row in cursor.fetchall()]
    return sorted(found, key=lambda recorded: recorded.fill.execution_order)


def open_books(connection: Connection, account: AccountName) -> list[TradeBook]:
    """The account's books that hold a position now."""
    return [book for book in books_of_account(connection, account) if not book.position.is_flat]


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSummary:
    """One bot at a glance, in the quote currency. `fees` > 0 were paid, `funding` > 0 was received, `realized_pnl` is
    price only and `net_pnl = realized_pnl - fees + funding`."""

    bot: BotId
    fills: int
    trades: int
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    books: tuple[TradeBook, ...]
    last_fill: RecordedFill | None

    @property
    def open_books(self) -> tuple[TradeBook, ...]:
        return tuple(book for book in self.books if not book.position.is_flat)


def bot_summaries(connection: Connection) -> dict[BotId, BotSummary]:
    """A summary of every bot that has a book or is registered, by bot."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCounts:
    """What the whole ledger holds. `misplaced` are fills in the default partition, which should hold none."""

    fills: int
    unattributed: int
    trades: int
    open_drift: int
    raw_events: int
    alerts: int
    misplaced: int


def ledger_counts(connection: Connection) -> LedgerCounts:
    raise NotImplementedError
