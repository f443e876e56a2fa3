"""Fills into books and round trips, late ones included. Pure: the recorder brings the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from alpha.domain.arithmetic import accounting
from alpha.domain.clock import require_aware
from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import BookFold, TradeBook

OPENING = ExecId("opening")
"""Stands where a round trip that began before us would have the id of its first fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningPosition:
    """What a book held when the platform first saw its account; a flat one says that it held nothing.

    `seq` is the exchange's of that report (None where it does not say), `at` its market time.
    """

    key: BookKey
    position: Position
    seq: int | None
    at: datetime

    def __post_init__(self) -> None:
        require_aware(self.at)

    def includes(self, fill: Fill) -> bool:
        """Whether the fill is in this position already. It is recorded, but not folded."""
        return self.has_counted(fill.exec_time, fill.seq)

    def has_counted(self, exec_time: datetime, seq: int) -> bool:
        """As `includes`, of a fill with this place."""
        if self.seq is not None and self.seq >= 0:
            return seq <= self.seq
        return exec_time < self.at

    def book(self) -> TradeBook:
        """The book to fold on."""
        return TradeBook(key=self.key).with_opening(self.position, at=self.at, name=OPENING)


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class ClosedTrade:
    """A round trip and the book after the fill that closed it."""

    trade: Final[Trade]
    book: Final[TradeBook]

    def __init__(
        self,
        trade: Trade,
        book: TradeBook,
    ) -> None:
        self.trade = trade
        self.book = book

    @property
    def ends_flat(self) -> bool:
        """False after a flip. Where a book was flat it can be folded on from: of before, only the sums matter."""
        return self.book.position.is_flat


def fold_on(book: TradeBook, fills: Iterable[tuple[Fill, Reason]]) -> tuple[TradeBook, list[ClosedTrade]]:
    """The book after the fills, in execution order whatever order they come in, and the round trips they closed.

    Raises InvalidValue when one is late for the book: then fold all fills after a flat point before it.
    """
    return fold_in_order(book, sorted(fills, key=lambda pair: pair[0].execution_order))


def fold_in_order(book: TradeBook, fills: Iterable[tuple[Fill, Reason]]) -> tuple[TradeBook, list[ClosedTrade]]:
    """As `fold_on`, of fills that are in execution order. Raises InvalidValue also when they are not."""
    folding = BookFold(book)
    closed: list[ClosedTrade] = []
    with accounting():
        for fill, reason in fills:
            trade = folding.take(fill, reason)
            if trade is not None:
                closed.append(ClosedTrade(trade, folding.book()))
    return folding.book(), closed
