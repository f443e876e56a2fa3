"""The bot's own orders from before they are sent until every one of their fills has arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, Protocol

from alpha.bot.gate import Deny
from alpha.bot.order_in_flight import ZERO, OrderInFlight
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus

# A member looked up through its class costs ten times as much.
_NEW: Final = OrderStatus.NEW
_PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
_FILLED: Final = OrderStatus.FILLED
_TRADE: Final = ExecType.TRADE


class Report(Protocol):
    """What counts of an order's state, as anybody tells it."""

    @property
    def order_link_id(self) -> str: ...

    @property
    def status(self) -> OrderStatus: ...

    @property
    def filled_quantity(self) -> Decimal: ...


class OrdersInFlight:
    """Order reports and fills may come in any interleaving, twice, or before the answer to the request itself."""

    def __init__(self, orders: Iterable[OrderInFlight] = ()) -> None:
        self._orders = {order.order_link_id: order for order in orders}

    def __iter__(self) -> Iterator[OrderInFlight]:
        return iter(list(self._orders.values()))

    def get(self, order_link_id: str) -> OrderInFlight | None:
        return self._orders.get(order_link_id)

    def sent(self, order: OrderInFlight) -> bool:
        """Before sending, or the same decision again; answers whether it was not in flight yet."""
        return self._orders.setdefault(order.order_link_id, order) is order

    def accepted(self, order_link_id: str) -> None:
        """The exchange took it; its reports may have come before."""
        known = self._orders.get(order_link_id)
        if known is not None and known.status is None:
            known.status = _NEW

    def was_there_before(self, order_link_id: str) -> None:
        """The exchange had it from an earlier life of the bot. One that has ended is not waited for: how many of its
        fills were handled then is not known, and no entry passes while the position is not what the fills make."""
        known = self._orders.get(order_link_id)
        if known is not None and known.is_terminal:
            del self._orders[order_link_id]

    def never_placed(self, order_link_id: str) -> None:
        """The exchange refused it or never got it."""
        self._orders.pop(order_link_id, None)

    def reported(self, order: Report) -> None:
        known = self._orders.get(order.order_link_id)
        if known is None:
            return
        filled = order.filled_quantity
        if filled > known.told:
            known.told = filled
        status = known.status
        if status is None or not status.is_terminal:
            known.status = order.status
        self._settle(known)

    def filled(self, fill: Fill) -> None:
        known = self._orders.get(fill.order_link_id)
        if known is None or fill.exec_type is not _TRADE:
            return
        known.heard += fill.quantity
        if not fill.leaves_quantity:
            # The last fill of a filled order: no report is needed to know that it is done. A reduce-only order may have
            # been cut to the position, so only an entry is known to have filled what was asked.
            done = known.quantity if known.opens_risk else known.heard
            if done > known.told:
                known.told = done
            known.status = _FILLED
        else:
            if known.heard > known.told:
                known.told = known.heard
            if not known.is_terminal:
                known.status = _PARTIALLY_FILLED
        self._settle(known)

    def problem(self, symbol: Symbol) -> Deny | None:
        """Why no entry may be sent on the symbol yet, or None."""
        for order in self._orders.values():
            if order.symbol != symbol:
                continue
            if order.is_terminal:
                return Deny("fills_missing", f"{symbol}: fills of order {order.order_link_id} have not all arrived")
            return Deny("order_open", f"{symbol}: order {order.order_link_id} is not finished")
        return None

    def open_entry_notional(self) -> Decimal:
        total = ZERO
        for order in self._orders.values():
            total += order.open_notional
        return total

    def _settle(self, order: OrderInFlight) -> None:
        """Forget an order that is terminal with all its fills here: nothing more will happen."""
        status = order.status
        if status is not None and status.is_terminal and order.heard >= order.told:
            self._orders.pop(order.order_link_id, None)
