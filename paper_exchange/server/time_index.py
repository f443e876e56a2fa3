"""Things of an account in the order in which lists give them, kept so that a deep page costs what the first costs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Generic, TypeVar

from alpha.domain.clock import to_ms
from paper_exchange.server.paging import Place

T = TypeVar("T")


class TimeIndex(Generic[T]):
    """Oldest first. What is added must have places of its own."""

    __slots__ = ("_items", "_places")

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._items: list[T] = []

    def __len__(self) -> int:
        return len(self._places)

    def place(self, placed: Iterable[tuple[Place, T]]) -> None:
        """Nearly always newer than all that is there, so only what lies behind the oldest of them is sorted anew."""
        added = sorted(placed, key=itemgetter(0))
        if not added:
            return
        start = bisect_left(self._places, added[0][0])
        behind = [*zip(self._places[start:], self._items[start:], strict=True), *added]
        behind.sort(key=itemgetter(0))
        self._places[start:] = [place for place, _ in behind]
        self._items[start:] = [item for _, item in behind]

    def newest_first(
        self, start: datetime | None = None, end: datetime | None = None, before: Place | None = None
    ) -> Iterator[tuple[Place, T]]:
        """Those of [start, end], both inclusive, that come before a place if there is one."""
        low = 0 if start is None else bisect_left(self._places, Place(to_ms(start), -1))
        high = len(self._places) if end is None else bisect_left(self._places, Place(to_ms(end) + 1, -1))
        if before is not None:
            high = min(high, bisect_left(self._places, before))
        for number in range(high - 1, low - 1, -1):
            yield self._places[number], self._items[number]
