"""TradeBooks and round trips as rows, and the refolding of a book that a fill came late for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.fill import ExecutionOrder, Fill
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import TradeBook
from alpha.ledger.book_rows import BOOK_COLUMNS, KEY, TRADE_COLUMNS, book_of_row, key_of_row, key_row, trade_of_row
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.fill_rows import FILL_COLUMNS, fill_of_row
from alpha.ledger.folding import ClosedTrade, OpeningPosition, fold_on

_KEY = ", ".join(KEY)
# Ids compare by code point, as in Python, whatever the database's collation.
_TRADE_ORDER = '(closed_at, last_seq, -last_leaves_quantity, last_exec_id COLLATE "C")'


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBook:
    """A book as stored (an empty one when it is new) and what it began with, if it did not begin flat with us."""

    book: TradeBook
    opening: OpeningPosition | None

    def folds(self, fill: Fill) -> bool:
        """Whether the fill counts: one that the opening position includes is counted already."""
        return self.opening is None or not self.opening.includes(fill)

    def beginning(self) -> TradeBook:
        """The book before its first fill."""
        return TradeBook(key=self.book.key) if self.opening is None else self.opening.book()


def load_books(cursor: Cursor, keys: Iterable[BookKey]) -> dict[BookKey, HeldBook]:
    """The books of these keys, every key answered."""
    wanted = sorted(set(keys), key=key_row)
    if not wanted:
        return {}
    cursor.execute(
        f"""
        SELECT k.account, k.bot, k.symbol, k.position_idx, {", ".join("b." + name for name in BOOK_COLUMNS)},
               o.quantity, o.entry_price, o.seq, o.at
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::smallint[]) AS k ({_KEY})
        LEFT JOIN trading.books AS b USING ({_KEY})
        LEFT JOIN trading.opening_positions AS o USING ({_KEY})
        """,
        tuple([row[column] for row in map(key_row, wanted)] for column in range(4)),
    )
    held = {}
    width = 4 + len(BOOK_COLUMNS)
    for row in cursor.fetchall():
        key = key_of_row(row)
        quantity, entry_price, seq, at = row[width:]
        opening = None
        if at is not None:
            opening = OpeningPosition(key=key, position=Position(quantity, entry_price), seq=seq, at=at)
        book = book_of_row(row) if row[4] is not None else TradeBook(key=key)
        held[key] = HeldBook(book=book, opening=opening)
    return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolded:
    """A book folded again, its round trips since the flat point it was folded from, and those that are new or changed.
    The rows of those round trips are deleted; the caller stores book and round trips."""

    book: TradeBook
    closed: list[ClosedTrade]
    changed: list[Trade]


def refold(
    cursor: Cursor,
    held: HeldBook,
    fresh: Sequence[tuple[Fill, Reason]] = (),
    *,
    since: ExecutionOrder | None = None,
) -> Refolded:
    """Folds a book again from its last flat point before `since`, the place of a fill that came or went; by default
    before the fresh fills, which are in execution order and not in the ledger yet."""
    key = held.book.key
    start = flat_point_before(cursor, held, fresh[0][0].execution_order if since is None else since)
    book, closed = fold_on(start, [*_fills_after(cursor, held, start.last), *fresh])
    cursor.execute(
        f"DELETE FROM trading.trades WHERE ({_KEY}) = (%s, %s, %s, %s)"
        + ("" if start.last is None else f" AND {_TRADE_ORDER} > (%s, %s, %s, %s)")
        + f" RETURNING {_KEY}, {', '.join(TRADE_COLUMNS)}",
        (*key_row(key), *(() if start.last is None else start.last)),
    )
    before = {trade_of_row(row) for row in cursor.fetchall()}
    return Refolded(book=book, closed=closed, changed=[each.trade for each in closed if each.trade not in before])


def flat_point_before(cursor: Cursor, held: HeldBook, place: ExecutionOrder | datetime) -> TradeBook:
    """The book after its last fill before this place or market time that left it flat; as it began, where none did.

    Round trips of a book follow each other, so the one that closed last is the one that opened last, and the primary
    key is read backward from the newest. Only what began before us may be opened, as of when it was seen, after fills
    that closed it and after trips that followed: it is the first row then, and what is looked for the second.
    """
    order, before = (_TRADE_ORDER, tuple(place)) if isinstance(place, ExecutionOrder) else ("(closed_at)", (place,))
    cursor.execute(
        f"""
        SELECT closed_at, last_seq, last_leaves_quantity, last_exec_id,
               book_realized_pnl, book_fees, book_funding, book_fill_count
        FROM trading.trades
        WHERE ({_KEY}) = (%s, %s, %s, %s) AND ends_flat AND {order} < ({", ".join(["%s"] * len(before))})
        ORDER BY opened_at DESC, closed_at DESC, last_seq DESC, last_leaves_quantity, last_exec_id COLLATE "C" DESC
        LIMIT 2
        """,
        (*key_row(held.book.key), *before),
    )
    points = []
    for closed_at, seq, leaves_quantity, exec_id, realized_pnl, fees, funding, fill_count in cursor.fetchall():
        last = ExecutionOrder(closed_at, seq, -leaves_quantity, exec_id)
        book = TradeBook(
            key=held.book.key, realized_pnl=realized_pnl, fees=fees, funding=funding, fill_count=fill_count, last=last
        )
        points.append((last, book))
    return max(points, key=lambda point: point[0])[1] if points else held.beginning()


def books_of_account(connection: Connection, account: AccountName) -> list[TradeBook]:
    """Every book of the account, flat ones included, by bot, symbol and position index."""
    return _select_books(connection, "account = %s", (account,))


def all_books(connection: Connection) -> list[TradeBook]:
    """Every book, by account, bot, symbol and position index."""
    return _select_books(connection, "true", ())


def trades_of_bot(connection: Connection, bot: BotId, limit: int = 100) -> list[Trade]:
    """The bot's last round trips, newest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_KEY}, {', '.join(TRADE_COLUMNS)} FROM trading.trades WHERE bot = %s"
            f" ORDER BY closed_at DESC, last_seq DESC LIMIT %s",
            (bot, limit),
        )
        return [trade_of_row(row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltBook:
    """A book as it is stored and as all its fills make it. They are equal, or something is wrong."""

    stored: TradeBook
    rebuilt: TradeBook
    stored_trades: frozenset[Trade]
    rebuilt_trades: frozenset[Trade]

    @property
    def is_equal(self) -> bool:
        return self.stored == self.rebuilt and self.stored_trades == self.rebuilt_trades


def rebuild_books(connection: Connection, account: AccountName) -> list[RebuiltBook]:
    """Every book of the account folded again from its first fill. Reads only; compare with what is stored."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_KEY} FROM trading.books WHERE account = %(account)s"
            f" UNION SELECT {_KEY} FROM trading.owned_fills WHERE account = %(account)s AND bot IS NOT NULL"
            f" ORDER BY {_KEY}",
            {"account": account},
        )
        compared = []
        for held in load_books(cursor, [key_of_row(row) for row in cursor.fetchall()]).values():
            rebuilt, closed = fold_on(held.beginning(), _fills_after(cursor, held, None))
            cursor.execute(
                f"SELECT {_KEY}, {', '.join(TRADE_COLUMNS)} FROM trading.trades WHERE ({_KEY}) = (%s, %s, %s, %s)",
                key_row(held.book.key),
            )
            compared.append(
                RebuiltBook(
                    stored=held.book,
                    rebuilt=rebuilt,
                    stored_trades=frozenset(trade_of_row(row) for row in cursor.fetchall()),
                    rebuilt_trades=frozenset(each.trade for each in closed),
                )
            )
    return compared


def _fills_after(cursor: Cursor, held: HeldBook, order: ExecutionOrder | None) -> list[tuple[Fill, Reason]]:
    key = held.book.key
    cursor.execute(
        f"SELECT {', '.join(FILL_COLUMNS)}, reason FROM trading.owned_fills"
        " WHERE bot = %s AND symbol = %s AND account = %s AND position_idx = %s"
        + ("" if order is None else " AND exec_time >= %s"),
        (key.bot, key.symbol, key.account, key.position_idx, *(() if order is None else (order.exec_time,))),
    )
    found = ((fill_of_row(row), Reason(row[-1])) for row in cursor.fetchall())
    return [
        (fill, reason) for fill, reason in found if (order is None or fill.execution_order > order) and held.folds(fill)
    ]


def _select_books(connection: Connection, condition: str, parameters: tuple[object, ...]) -> list[TradeBook]:
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_KEY}, {', '.join(BOOK_COLUMNS)} FROM trading.books WHERE {condition} ORDER BY {_KEY}",
            parameters,
        )
        return [book_of_row(row) for row in cursor.fetchall()]
