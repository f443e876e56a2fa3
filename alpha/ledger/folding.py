"""Fills into books and round trips, late ones included. Pure: the recorder brings the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alpha.domain.fill import Fill
from alpha.domain.reason import Reason
from alpha.domain.trade import Trade
from alpha.domain.trade_book import TradeBook


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A round trip and the book after the fill that closed it."""

    trade: Trade
    book: TradeBook

    @property
    def ends_flat(self) -> bool:
        """False after a flip. A book can be folded again from where it was flat: nothing before matters but the sums."""
        return self.book.position.is_flat


def fold_on(book: TradeBook, fills: Iterable[tuple[Fill, Reason]]) -> tuple[TradeBook, list[ClosedTrade]]:
    """The book after the fills, in execution order whatever order they come in, and the round trips they closed.

    Raises InvalidValue when one is late for the book: then fold all fills after a flat point before it.
    """
    closed: list[ClosedTrade] = []
    for fill, reason in sorted(fills, key=lambda pair: pair[0].execution_order):
        book, trades = book.apply(fill, reason)
        closed.extend(ClosedTrade(trade=trade, book=book) for trade in trades)
    return book, closed
