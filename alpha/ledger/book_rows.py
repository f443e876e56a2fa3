"""Books and round trips as rows of trading.books and trading.trades, and back."""

from __future__ import annotations

from typing import Any

from alpha.domain.fill import ExecutionOrder
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Direction
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import OpenTrade, TradeBook
from alpha.ledger.folding import ClosedTrade

KEY = ("account", "bot", "symbol", "position_idx")
BOOK_COLUMNS = (
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
TRADE_COLUMNS = (
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
FLAT_POINT_COLUMNS = (
    "last_seq",
    "last_leaves_quantity",
    "ends_flat",
    "book_realized_pnl",
    "book_fees",
    "book_funding",
    "book_fill_count",
)
"""What makes a round trip's row the place from which a late fill is folded on."""


def key_row(key: BookKey) -> tuple[str, str, str, int]:
    return (key.account, key.bot, key.symbol, key.position_idx)


def key_of_row(row: tuple[Any, ...]) -> BookKey:
    return BookKey(account=row[0], bot=row[1], symbol=row[2], position_idx=row[3])


def row_of_book(book: TradeBook) -> tuple[object, ...]:
    """Values in the order of KEY and BOOK_COLUMNS."""
    last, trade = book.last, book.open_trade
    return (
        *key_row(book.key),
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


def book_of_row(row: tuple[Any, ...]) -> TradeBook:
    """The book of a row that begins with KEY and BOOK_COLUMNS."""
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
        key=key_of_row(row),
        position=Position(quantity, entry_price),
        open_trade=trade,
        realized_pnl=realized_pnl,
        fees=fees,
        funding=funding,
        fill_count=fill_count,
        last=last,
    )


def row_of_closed(closed: ClosedTrade) -> tuple[object, ...]:
    """Values in the order of KEY, TRADE_COLUMNS and FLAT_POINT_COLUMNS."""
    trade, book = closed.trade, closed.book
    last = book.last
    return (
        *key_row(trade.key),
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


def trade_of_row(row: tuple[Any, ...]) -> Trade:
    """The round trip of a row that begins with KEY and TRADE_COLUMNS."""
    return Trade(
        key=key_of_row(row),
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
