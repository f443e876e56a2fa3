from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.position import ZERO
from alpha.domain.trade_book import TradeBook
from alpha.ledger.books import all_books, books_of_account
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fill_rows import RECORDED_COLUMNS, SELECT_RECORDED, RecordedFill, recorded_of_row


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
    """The account's fills with since <= exec_time < until (market clock), in execution order, with the owners that
    count."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {SELECT_RECORDED} FROM trading.owned_fills"
            " WHERE account = %s AND exec_time >= %s AND exec_time < %s ORDER BY exec_time",
            (account, since, until),
        )
        found = [recorded_of_row(row) for row in cursor.fetchall()]
    return sorted(found, key=lambda recorded: recorded.fill.execution_order)


def fills_until(connection: Connection, account: AccountName, until: datetime) -> Iterator[RecordedFill]:
    """All fills of the account with exec_time < until (market clock), as `fills_between` answers them, and never more
    of them at once than those of a day. In one transaction, which lasts until the last is taken."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT min(exec_time) FROM trading.fills WHERE account = %s", (account,))
        ((since,),) = cursor.fetchall()
        while since is not None and since < until:
            # What a day is read beyond its last fill costs nothing; a year without any should not be read day by day.
            end = min(since + timedelta(days=1), until)
            yield from fills_between(connection, account, since, end)
            cursor.execute(
                "SELECT min(exec_time) FROM trading.fills WHERE account = %s AND exec_time >= %s", (account, end)
            )
            ((since,),) = cursor.fetchall()


def orders_filled_between(
    connection: Connection, account: AccountName, since: datetime, until: datetime
) -> set[OrderId]:
    """The orders of the account that have a fill with since <= exec_time < until (market clock)."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT DISTINCT order_id FROM trading.fills WHERE account = %s AND exec_time >= %s AND exec_time < %s",
            (account, since, until),
        )
        return {OrderId(order_id) for (order_id,) in cursor.fetchall()}


def exec_ids_between(
    connection: Connection, account: AccountName, since: datetime, until: datetime
) -> set[tuple[Symbol, ExecId]]:
    """Which executions the ledger holds of the account with since <= exec_time < until (market clock)."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT symbol, exec_id FROM trading.fills WHERE account = %s AND exec_time >= %s AND exec_time < %s",
            (account, since, until),
        )
        return set(cursor.fetchall())


def exec_ids_at_any_time(
    connection: Connection, account: AccountName, wanted: Collection[tuple[Symbol, ExecId]]
) -> set[tuple[Symbol, ExecId]]:
    """Which of these executions the ledger holds, whatever their time is there."""
    if not wanted:
        return set()
    symbols, exec_ids = zip(*wanted, strict=True)
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT symbol, exec_id FROM trading.fills WHERE account = %s AND symbol = ANY(%s) AND exec_id = ANY(%s)",
            (account, list(set(symbols)), list(exec_ids)),
        )
        return set(cursor.fetchall()) & set(wanted)


def filled_by_order(
    connection: Connection, account: AccountName, order_ids: Collection[OrderId], since: datetime
) -> dict[OrderId, Decimal]:
    """How much of each of these orders the ledger holds, in base units; orders without a fill are left out. `since`
    (market clock) is when the first of them was created: no fill of theirs is older."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT order_id, sum(quantity) FROM trading.fills"
            " WHERE account = %s AND exec_time >= %s AND order_id = ANY(%s) AND exec_type <> 'Funding'"
            " GROUP BY order_id",
            (account, since, list(order_ids)),
        )
        return dict(cursor.fetchall())


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
    """A summary of every bot that is registered or has a fill, by bot."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT b.bot, (SELECT count(*) FROM trading.trades AS t WHERE t.bot = b.bot), coalesce(h.last_seq, 0)
            FROM (
                SELECT bot FROM trading.bots UNION SELECT bot FROM trading.bot_heads UNION SELECT bot FROM trading.books
            ) AS b
            LEFT JOIN trading.bot_heads AS h USING (bot)
            ORDER BY b.bot
            """
        )
        bots: list[tuple[BotId, int, int]] = cursor.fetchall()
        cursor.execute(
            f"""
            SELECT {", ".join("f." + name for name in RECORDED_COLUMNS)}
            FROM trading.bot_heads AS h
            CROSS JOIN LATERAL (
                SELECT * FROM trading.fills AS f WHERE f.bot = h.bot AND f.bot_seq = h.last_seq LIMIT 1
            ) AS f
            """
        )
        last_fills = {recorded.attribution.bot: recorded for recorded in map(recorded_of_row, cursor.fetchall())}
        books: defaultdict[BotId, list[TradeBook]] = defaultdict(list)
        for book in all_books(connection):
            books[book.key.bot].append(book)
    return {
        bot: _summary(bot, tuple(books[bot]), fills=fills, trades=trades, last_fill=last_fills.get(bot))
        for bot, trades, fills in bots
    }


def _summary(
    bot: BotId, books: tuple[TradeBook, ...], *, fills: int, trades: int, last_fill: RecordedFill | None
) -> BotSummary:
    return BotSummary(
        bot=bot,
        fills=fills,
        trades=trades,
        realized_pnl=sum((book.realized_pnl for book in books), ZERO),
        fees=sum((book.fees for book in books), ZERO),
        funding=sum((book.funding for book in books), ZERO),
        net_pnl=sum((book.net_pnl for book in books), ZERO),
        books=books,
        last_fill=last_fill,
    )


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
    """Counts by reading: what is there, not what was counted on the way in."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM trading.fills),
                   (SELECT count(*) FROM trading.owned_fills WHERE bot IS NULL),
                   (SELECT count(*) FROM trading.trades),
                   (SELECT count(*) FROM trading.drift WHERE resolved_at IS NULL),
                   (SELECT count(*) FROM trading.raw_events),
                   (SELECT count(*) FROM trading.alerts),
                   (SELECT count(*) FROM trading.fills_default)
            """
        )
        fills, unattributed, trades, drift, raw_events, alerts, misplaced = cursor.fetchone() or (0,) * 7
    return LedgerCounts(
        fills=fills,
        unattributed=unattributed,
        trades=trades,
        open_drift=drift,
        raw_events=raw_events,
        alerts=alerts,
        misplaced=misplaced,
    )
