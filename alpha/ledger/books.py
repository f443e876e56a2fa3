"""TradeBooks and round trips as rows, and the refolding of a book that a fill came late for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extras import execute_values

from alpha.domain.fill import ExecutionOrder, Fill
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Direction
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import OpenTrade, TradeBook
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.fill_rows import FILL_COLUMNS, fill_of_row
from alpha.ledger.folding import ClosedTrade, OpeningPosition, fold_on

_KEY = "account, bot, symbol, position_idx"
_BOOK_COLUMNS = (
    "quantity",
    "entry_price",
    "realized_pnl",
    "fees",
    "funding",
    "fill_count",
    "last_exec_time",
    "last_seq",
    "last_leaves_quantity",
    "last_exec_id",
    "open_first_exec_id",
    "open_opened_at",
    "open_direction",
    "open_entry_reason",
    "open_entered_quantity",
    "open_entered_value",
    "open_exited_quantity",
    "open_exited_value",
    "open_gross_pnl",
    "open_fees",
    "open_funding",
    "open_fill_count",
)
_TRADE_COLUMNS = (
    "first_exec_id",
    "last_exec_id",
    "direction",
    "opened_at",
    "closed_at",
    "quantity",
    "entry_price",
    "exit_price",
    "gross_pnl",
    "fees",
    "funding",
    "fill_count",
    "entry_reason",
    "exit_reason",
)
_FLAT_POINT_COLUMNS = (
    "last_seq",
    "last_leaves_quantity",
    "ends_flat",
    "book_realized_pnl",
    "book_fees",
    "book_funding",
    "book_fill_count",
)
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
    wanted = sorted(set(keys), key=_key_row)
    if not wanted:
        return {}
    cursor.execute(
        f"""
        SELECT k.account, k.bot, k.symbol, k.position_idx, {", ".join("b." + name for name in _BOOK_COLUMNS)},
               o.quantity, o.entry_price, o.seq, o.at
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::smallint[]) AS k ({_KEY})
        LEFT JOIN trading.books AS b USING ({_KEY})
        LEFT JOIN trading.opening_positions AS o USING ({_KEY})
        """,
        tuple([row[column] for row in map(_key_row, wanted)] for column in range(4)),
    )
    held = {}
    width = 4 + len(_BOOK_COLUMNS)
    for row in cursor.fetchall():
        key = _key_of_row(row)
        quantity, entry_price, seq, at = row[width:]
        opening = None
        if at is not None:
            opening = OpeningPosition(key=key, position=Position(quantity, entry_price), seq=seq, at=at)
        book = _book_of_row(row) if row[4] is not None else TradeBook(key=key)
        held[key] = HeldBook(book=book, opening=opening)
    return held


def save_books(cursor: Cursor, books: Iterable[TradeBook]) -> None:
    """Stores the books as they are now."""
    rows = [_row_of_book(book) for book in books]
    if not rows:
        return
    changes = ", ".join(f"{name} = excluded.{name}" for name in _BOOK_COLUMNS)
    execute_values(
        cursor,
        f"INSERT INTO trading.books ({_KEY}, {', '.join(_BOOK_COLUMNS)}) VALUES %s"
        f" ON CONFLICT ({_KEY}) DO UPDATE SET {changes}, updated_at = clock_timestamp()",
        sorted(rows, key=lambda row: row[:4]),
        page_size=1000,
    )


def save_trades(cursor: Cursor, closed: Sequence[ClosedTrade]) -> None:
    """Stores round trips; the same one again replaces itself."""
    if not closed:
        return
    columns = (*_TRADE_COLUMNS, *_FLAT_POINT_COLUMNS)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "first_exec_id")
    execute_values(
        cursor,
        f"INSERT INTO trading.trades ({_KEY}, {', '.join(columns)}) VALUES %s"
        f" ON CONFLICT ({_KEY}, first_exec_id) DO UPDATE SET {changes}",
        [_row_of_closed(each) for each in closed],
        page_size=1000,
    )


def refold(cursor: Cursor, held: HeldBook, earliest: ExecutionOrder | None) -> tuple[TradeBook, list[Trade]]:
    """Folds a book again from its last flat point before `earliest` (from its beginning for None), stores its round
    trips from there on and returns the book and those of them that are new or changed. The caller stores the book."""
    key = held.book.key
    start = held.beginning() if earliest is None else _flat_point_before(cursor, held, earliest)
    book, closed = fold_on(start, _fills_after(cursor, held, start.last))
    cursor.execute(
        f"DELETE FROM trading.trades WHERE ({_KEY}) = (%s, %s, %s, %s)"
        + ("" if start.last is None else f" AND {_TRADE_ORDER} > (%s, %s, %s, %s)")
        + f" RETURNING {_KEY}, {', '.join(_TRADE_COLUMNS)}",
        (*_key_row(key), *(() if start.last is None else start.last)),
    )
    before = {_trade_of_row(row) for row in cursor.fetchall()}
    save_trades(cursor, closed)
    return book, [each.trade for each in closed if each.trade not in before]


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
            f"SELECT {_KEY}, {', '.join(_TRADE_COLUMNS)} FROM trading.trades WHERE bot = %s"
            f" ORDER BY closed_at DESC, last_seq DESC LIMIT %s",
            (bot, limit),
        )
        return [_trade_of_row(row) for row in cursor.fetchall()]


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
            f" UNION SELECT {_KEY} FROM trading.fills WHERE account = %(account)s AND bot IS NOT NULL"
            f" ORDER BY {_KEY}",
            {"account": account},
        )
        compared = []
        for held in load_books(cursor, [_key_of_row(row) for row in cursor.fetchall()]).values():
            rebuilt, closed = fold_on(held.beginning(), _fills_after(cursor, held, None))
            cursor.execute(
                f"SELECT {_KEY}, {', '.join(_TRADE_COLUMNS)} FROM trading.trades WHERE ({_KEY}) = (%s, %s, %s, %s)",
                _key_row(held.book.key),
            )
            compared.append(
                RebuiltBook(
                    stored=held.book,
                    rebuilt=rebuilt,
                    stored_trades=frozenset(_trade_of_row(row) for row in cursor.fetchall()),
                    rebuilt_trades=frozenset(each.trade for each in closed),
                )
            )
    return compared


def _flat_point_before(cursor: Cursor, held: HeldBook, order: ExecutionOrder) -> TradeBook:
    cursor.execute(
        f"""
        SELECT closed_at, last_seq, last_leaves_quantity, last_exec_id,
               book_realized_pnl, book_fees, book_funding, book_fill_count
        FROM trading.trades
        WHERE ({_KEY}) = (%s, %s, %s, %s) AND ends_flat AND {_TRADE_ORDER} < (%s, %s, %s, %s)
        ORDER BY {_TRADE_ORDER} DESC LIMIT 1
        """,
        (*_key_row(held.book.key), *order),
    )
    row = cursor.fetchone()
    if row is None:
        return held.beginning()
    closed_at, seq, leaves_quantity, exec_id, realized_pnl, fees, funding, fill_count = row
    return TradeBook(
        key=held.book.key,
        realized_pnl=realized_pnl,
        fees=fees,
        funding=funding,
        fill_count=fill_count,
        last=ExecutionOrder(closed_at, seq, -leaves_quantity, exec_id),
    )


def _fills_after(cursor: Cursor, held: HeldBook, order: ExecutionOrder | None) -> list[tuple[Fill, Reason]]:
    key = held.book.key
    cursor.execute(
        f"SELECT {', '.join(FILL_COLUMNS)}, reason FROM trading.fills"
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
            f"SELECT {_KEY}, {', '.join(_BOOK_COLUMNS)} FROM trading.books WHERE {condition} ORDER BY {_KEY}",
            parameters,
        )
        return [_book_of_row(row) for row in cursor.fetchall()]


def _key_row(key: BookKey) -> tuple[str, str, str, int]:
    return (key.account, key.bot, key.symbol, key.position_idx)


def _key_of_row(row: tuple[Any, ...]) -> BookKey:
    return BookKey(account=row[0], bot=row[1], symbol=row[2], position_idx=row[3])


def _row_of_book(book: TradeBook) -> tuple[object, ...]:
    last, trade = book.last, book.open_trade
    return (
        *_key_row(book.key),
        book.position.quantity,
        book.position.entry_price,
        book.realized_pnl,
        book.fees,
        book.funding,
        book.fill_count,
        *((None,) * 4 if last is None else (last.exec_time, last.seq, -last.negative_leaves, last.exec_id)),
        *(
            (None,) * 12
            if trade is None
            else (
                trade.first_exec_id,
                trade.opened_at,
                trade.direction.value,
                trade.entry_reason.value,
                trade.entered_quantity,
                trade.entered_value,
                trade.exited_quantity,
                trade.exited_value,
                trade.gross_pnl,
                trade.fees,
                trade.funding,
                trade.fill_count,
            )
        ),
    )


def _book_of_row(row: tuple[Any, ...]) -> TradeBook:
    quantity, entry_price, realized_pnl, fees, funding, fill_count, exec_time, seq, leaves, exec_id = row[4:14]
    last = None if exec_time is None else ExecutionOrder(exec_time, seq, -leaves, exec_id)
    trade = None
    if row[14] is not None:
        trade = OpenTrade(
            first_exec_id=row[14],
            opened_at=row[15],
            direction=Direction(row[16]),
            entry_reason=Reason(row[17]),
            entered_quantity=row[18],
            entered_value=row[19],
            exited_quantity=row[20],
            exited_value=row[21],
            gross_pnl=row[22],
            fees=row[23],
            funding=row[24],
            fill_count=row[25],
        )
    return TradeBook(
        key=_key_of_row(row),
        position=Position(quantity, entry_price),
        open_trade=trade,
        realized_pnl=realized_pnl,
        fees=fees,
        funding=funding,
        fill_count=fill_count,
        last=last,
    )


def _row_of_closed(closed: ClosedTrade) -> tuple[object, ...]:
    trade, book = closed.trade, closed.book
    last = book.last
    return (
        *_key_row(trade.key),
        trade.first_exec_id,
        trade.last_exec_id,
        trade.direction.value,
        trade.opened_at,
        trade.closed_at,
        trade.quantity,
        trade.entry_price,
        trade.exit_price,
        trade.gross_pnl,
        trade.fees,
        trade.funding,
        trade.fill_count,
        trade.entry_reason.value,
        trade.exit_reason.value,
        last.seq if last else None,
        -last.negative_leaves if last else None,
        closed.ends_flat,
        book.realized_pnl,
        book.fees,
        book.funding,
        book.fill_count,
    )


def _trade_of_row(row: tuple[Any, ...]) -> Trade:
    return Trade(
        key=_key_of_row(row),
        first_exec_id=row[4],
        last_exec_id=row[5],
        direction=Direction(row[6]),
        opened_at=row[7],
        closed_at=row[8],
        quantity=row[9],
        entry_price=row[10],
        exit_price=row[11],
        gross_pnl=row[12],
        fees=row[13],
        funding=row[14],
        fill_count=row[15],
        entry_reason=Reason(row[16]),
        exit_reason=Reason(row[17]),
    )
