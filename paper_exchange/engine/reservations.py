from __future__ import annotations

from decimal import Decimal

from alpha.domain.side import Side
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.margin import order_cost
from paper_exchange.engine.money import ZERO, round_cost
from paper_exchange.engine.working_order import WorkingOrder

_SIDES = tuple(Side)


class Reservations:
    """What the open orders of one account in one symbol would cost if they opened positions.

    Kept as running sums per side, those of pending orders apart. They are exact, because each cost is rounded before it
    is added, so they do not depend on the order of events. Reduce-only orders and stops occupy nothing.
    """

    __slots__ = ("_by_order", "_costs", "_quantities")

    def __init__(self) -> None:
        self._by_order: dict[str, tuple[Side, bool, Decimal, Decimal]] = {}
        self._quantities: dict[tuple[Side, bool], Decimal] = {}
        self._costs: dict[tuple[Side, bool], Decimal] = {}

    def update(self, order: WorkingOrder, holding: Holding) -> None:
        """Bring the order's share in line with what is left of it; nothing is left of one that has ended."""
        self._forget(order)
        leaves = order.leaves_quantity
        if leaves == 0 or order.reduce_only:
            return
        share = (order.side, order.is_pending, leaves, cost_of(order, holding, leaves))
        self._by_order[order.order_id] = share
        self._add(*share)

    def margin(self, holding: Holding, *, with_pending: bool = True, extra: WorkingOrder | None = None) -> Decimal:
        """Margin they occupy, and `extra` as if it were one of those that rest.

        Orders against the position cost only what exceeds the position, each in proportion to its size: which of them
        would fill first is not known. Orders of both sides are added up (Bybit may net them: UNCONFIRMED, and this is
        the careful side).
        """
        if extra is None and not self._by_order:
            return ZERO
        total = ZERO
        for side in _SIDES:
            quantity = self._quantities.get((side, False), ZERO)
            cost = self._costs.get((side, False), ZERO)
            if with_pending:
                quantity += self._quantities.get((side, True), ZERO)
                cost += self._costs.get((side, True), ZERO)
            if extra is not None and extra.side is side:
                quantity += extra.leaves_quantity
                cost += cost_of(extra, holding, extra.leaves_quantity)
            opening = quantity - holding.closable(side)
            if opening > 0:
                total += cost if opening == quantity else cost * opening / quantity
        return total

    def _forget(self, order: WorkingOrder) -> None:
        share = self._by_order.pop(order.order_id, None)
        if share is not None:
            side, is_pending, quantity, cost = share
            self._add(side, is_pending, -quantity, -cost)

    def _add(self, side: Side, is_pending: bool, quantity: Decimal, cost: Decimal) -> None:
        key = (side, is_pending)
        self._quantities[key] = self._quantities.get(key, ZERO) + quantity
        self._costs[key] = self._costs.get(key, ZERO) + cost


def cost_of(order: WorkingOrder, holding: Holding, quantity: Decimal) -> Decimal:
    """Margin of `quantity` of the order if all of it opened, rounded up; a market order counts at the last price."""
    price = holding.market.last_price if order.price is None else order.price
    return round_cost(order_cost(price * quantity, order.side.sign, holding.leverage, holding.market.fees.taker))
