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
    return "\t".join(
        (
            foreign,
            str(key.position_idx),
            trade.direction._value_,
            opened_at,
            closed_at,
            str(trade.quantity),
            str(trade.entry_price),
            str(trade.exit_price),
            str(trade.gross_pnl),
            str(trade.fees),
            str(trade.funding),
            str(trade.fill_count),
            trade.entry_reason._value_,
            trade.exit_reason._value_,
            NULL if last is None else str(last.seq),
            NULL if last is None else str(-last.negative_leaves),
            "t" if closed.ends_flat else "f",
            str(book.realized_pnl),
            str(book.fees),
            str(book.funding),
            f"{book.fill_count}\n",
        )
    )
