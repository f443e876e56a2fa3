"""The executions of an account in the order of execution/list."""

from __future__ import annotations

from collections.abc import Sequence

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.server.paging import Place, tie_of
from paper_exchange.server.time_index import TimeIndex


class ExecutionIndex(TimeIndex[Execution]):
    """What one millisecond holds is ordered by id, which says nothing of what came first."""

    __slots__ = ("_by_order",)

    def __init__(self) -> None:
        super().__init__()
        self._by_order: dict[str, list[Execution]] = {}

    def add(self, executions: Sequence[Execution]) -> None:
        self.place((place_of(execution), execution) for execution in executions)
        for execution in executions:
            self._by_order.setdefault(execution.order_id, []).append(execution)

    def of_order(self, order_id: str) -> Sequence[Execution]:
        """As they were made."""
        return self._by_order.get(order_id, ())


def place_of(execution: Execution) -> Place:
    return Place(to_ms(execution.exec_time), tie_of(execution.exec_id))
