"""The orders of an account in the order of order/history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alpha.domain.clock import to_ms
from alpha.domain.ids import OrderId
from paper_exchange.engine import Engine, OrderState
from paper_exchange.server.paging import Place
from paper_exchange.server.time_index import TimeIndex


class OrderIndex:
    """By the time they were created; what one millisecond holds is ordered as it was accepted."""

    __slots__ = ("_engine", "_ids", "_uid")

    def __init__(self, engine: Engine, uid: int) -> None:
        self._engine = engine
        self._uid = uid
        self._ids: TimeIndex[OrderId] = TimeIndex()

    def newest_first(
        self, start: datetime | None = None, end: datetime | None = None, before: Place | None = None
    ) -> Iterator[tuple[Place, OrderState]]:
        """The orders created in [start, end], both inclusive, as they are now."""
        known = len(self._ids)
        made = self._engine.orders_made(self._uid, since=known)
        self._ids.place(
            (Place(to_ms(order.created_at), number), order.order_id) for number, order in enumerate(made, start=known)
        )
        for place, order_id in self._ids.newest_first(start, end, before):
            order = self._engine.order(self._uid, order_id)
            if order is not None:
                yield place, order
