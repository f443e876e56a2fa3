"""Closed round trips as lines of COPY, made as those of fills are: with nearly every batch there are some."""

from __future__ import annotations

from collections.abc import Sequence

from alpha.ledger.connection import Cursor
from alpha.ledger.copying import NULL, copy_lines, time_texts, told_apart
from alpha.ledger.folding import ClosedTrade

_FOREIGN_COLUMNS = ("account", "bot", "symbol", "first_exec_id", "last_exec_id")
_OWN_COLUMNS = (
    "position_idx",
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
    "last_seq",
    "last_leaves_quantity",
    "ends_flat",
    "book_realized_pnl",
    "book_fees",
    "book_funding",
    "book_fill_count",
)
COLUMNS = _FOREIGN_COLUMNS + _OWN_COLUMNS


def copy_trades(cursor: Cursor, trades: Sequence[ClosedTrade]) -> None:
    """Inserts the round trips of one batch."""
    opened = time_texts([closed.trade.opened_at for closed in trades])
    ended = time_texts([closed.trade.closed_at for closed in trades])
    copy_lines(cursor, "trading.trades", COLUMNS, map(_line, trades, opened, ended))


def _line(closed: ClosedTrade, opened_at: str, closed_at: str) -> str:
    trade, book = closed.trade, closed.book
    key, last = trade.key, book.last
    foreign = told_apart((key.account, key.bot, key.symbol, trade.first_exec_id, trade.last_exec_id))
    place = f"{NULL}\t{NULL}" if last is None else f"{last.seq}\t{-last.negative_leaves!s}"
    return (
        f"{foreign}\t{key.position_idx}\t{trade.direction._value_}\t{opened_at}\t{closed_at}"
        f"\t{trade.quantity!s}\t{trade.entry_price!s}\t{trade.exit_price!s}"
        f"\t{trade.gross_pnl!s}\t{trade.fees!s}\t{trade.funding!s}\t{trade.fill_count}"
        f"\t{trade.entry_reason._value_}\t{trade.exit_reason._value_}\t{place}\t{'t' if closed.ends_flat else 'f'}"
        f"\t{book.realized_pnl!s}\t{book.fees!s}\t{book.funding!s}\t{book.fill_count}\n"
    )
