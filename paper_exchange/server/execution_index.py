"""The executions of an account in the order of execution/list, kept so that a deep page costs what the first costs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.server.paging import Place, tie_of


class ExecutionIndex:
    """Oldest first. What one millisecond holds is ordered by id, which says nothing of what came first."""

    __slots__ = ("_executions", "_places")

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._executions: list[Execution] = []

    def __len__(self) -> int:
        return len(self._places)

    def add(self, executions: Sequence[Execution]) -> None:
        """Nearly always newer than all that is there, so only what lies behind the oldest of them is sorted anew."""
        if not executions:
            return
        added = sorted(((place_of(execution), execution) for execution in executions), key=itemgetter(0))
        start = bisect_left(self._places, added[0][0])
        behind = [*zip(self._places[start:], self._executions[start:], strict=True), *added]
        behind.sort(key=itemgetter(0))
        self._places[start:] = [place for place, _ in behind]
        self._executions[start:] = [execution for _, execution in behind]

    def newest_first(self, start: datetime, end: datetime, before: Place | None) -> Iterator[tuple[Place, Execution]]:
        """Those of [start, end], both inclusive, that come before a place if there is one."""
        low = bisect_left(self._places, Place(to_ms(start), 0))
        high = bisect_left(self._places, Place(to_ms(end) + 1, 0))
        if before is not None:
            high = min(high, bisect_left(self._places, before))
        for number in range(high - 1, low - 1, -1):
            yield self._places[number], self._executions[number]


def place_of(execution: Execution) -> Place:
    return Place(to_ms(execution.exec_time), tie_of(execution.exec_id))
