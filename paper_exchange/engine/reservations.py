from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from alpha.domain.side import Side
from paper_exchange.engine.members import SELL
from paper_exchange.engine.money import ZERO, round_cost
from paper_exchange.engine.working_order import WorkingOrder

if TYPE_CHECKING:
    from paper_exchange.engine.holding import Holding

_RESTING, _PENDING = 0, 1
_SELLS = 2


class Reservations:
    """What the open orders of one account on one position would cost if they opened it.

    Kept as running sums per side, those of pending orders apart. They are exact, because each cost is rounded before it
    is added, so they do not depend on the order of events. Reduce-only orders and stops occupy nothing.

    `resting` and `whole` (with pending orders) are the margins as they were added up last; whoever adds keeps them.
    """

    __slots__ = ("_costs", "_quantities", "_shares", "resting", "whole")

    def __init__(self) -> None:
        self._shares: dict[str, tuple[int, Decimal, Decimal]] = {}
        # buys resting and pending, then sells
        self._quantities = [ZERO] * 4
        self._costs = [ZERO] * 4
        self.resting = ZERO
        self.whole = ZERO

    @property
    def is_empty(self) -> bool:
        return not self._shares

    def __contains__(self, order: WorkingOrder) -> bool:
        """Whether the order has a share in the sums."""
        return order.order_id in self._shares

    @property
    def has_resting(self) -> bool:
        return bool(self._quantities[_RESTING] or self._quantities[_SELLS + _RESTING])

    def resting_quantity(self, side: Side) -> Decimal:
        """How much the resting orders of this side could open."""
        return self._quantities[_RESTING + (_SELLS if side is SELL else 0)]

    def update(self, order: WorkingOrder) -> bool:
        """Bring the order's share in line with what is left of it; nothing is left of one that has ended.

        Gives whether the sums over the resting ones have changed.
        """
        share = self._shares.pop(order.order_id, None)
        was_resting = False
        if share is not None:
            place, quantity, cost = share
            was_resting = place in (_RESTING, _SELLS + _RESTING)
            self._quantities[place] -= quantity
            self._costs[place] -= cost
        if not order.is_open or not order.holds_margin:
            return was_resting
        place = (_PENDING if order.is_pending else _RESTING) + (_SELLS if order.side is SELL else 0)
        quantity = order.quantity - order.filled_quantity
        cost = cost_of(order, quantity)
        self._shares[order.order_id] = place, quantity, cost
        self._quantities[place] += quantity
        self._costs[place] += cost
        return was_resting or not order.is_pending

    def margins(self, holding: Holding) -> tuple[Decimal, Decimal]:
        """Margin that the resting ones occupy, and margin that all of them do.

        Orders against the position cost only what exceeds the position, each in proportion to its size: which of them
        would fill first is not known. Orders of both sides are added up (Bybit may net them: UNCONFIRMED, and this is
        the careful side).
        """
        if not self._shares:
            return ZERO, ZERO
        costs, quantity = self._costs, holding.quantity
        if not quantity:
            resting = costs[0] + costs[_SELLS]
            return resting, resting + costs[_PENDING] + costs[_SELLS + _PENDING]
        opening, closing = (_SELLS, 0) if quantity.is_signed() else (0, _SELLS)
        closable = abs(quantity)
        resting_quantity, resting_cost = self._quantities[closing], costs[closing]
        return (
            costs[opening] + _beyond(closable, resting_quantity, resting_cost),
            costs[opening]
            + costs[opening + _PENDING]
            + _beyond(
                closable,
                resting_quantity + self._quantities[closing + _PENDING],
                resting_cost + costs[closing + _PENDING],
            ),
        )

    def added_by(self, order: WorkingOrder) -> Decimal:
        """How much more margin one more resting order would occupy; orders that are pending do not count."""
        quantity = order.quantity - order.filled_quantity
        closable = order.holding.closable(order.side)
        if not closable:
            return cost_of(order, quantity)
        place = _SELLS if order.side is SELL else 0
        resting_quantity, resting_cost = self._quantities[place], self._costs[place]
        if resting_quantity + quantity <= closable:
            return ZERO
        more = _beyond(closable, resting_quantity + quantity, resting_cost + cost_of(order, quantity))
        return more - _beyond(closable, resting_quantity, resting_cost)


def _beyond(closable: Decimal, quantity: Decimal, cost: Decimal) -> Decimal:
    """The part of the cost of a quantity that is left when it has closed the position."""
    if quantity <= closable:
        return ZERO
    return round_cost(cost * (quantity - closable) / quantity)


def cost_of(order: WorkingOrder, quantity: Decimal) -> Decimal:
    """Margin of `quantity` of the order if all of it opened, rounded up; a market order counts at the last price."""
    holding = order.holding
    price = holding.market.last_price if order.price is None else order.price
    return round_cost(price * quantity * holding.order_cost_rates[order.side is SELL])
