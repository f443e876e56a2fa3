from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from alpha.domain.side import Side
from paper_exchange.engine.members import SELL
from paper_exchange.engine.money import ZERO, round_cost
from paper_exchange.engine.working_order import WorkingOrder

if TYPE_CHECKING:
    from paper_exchange.engine.holding import Holding

# a place among the sums: buys at rest, pending buys, sells at rest, pending sells
_RESTING, _PENDING = 0, 1
_SELLS = 2


class Reservations:
    """What the open orders of one account on one position would cost if they opened it.

    Kept as running sums per side, those of pending orders apart. They are exact, because each cost is rounded before it
    is added, so they do not depend on the order of events. Reduce-only orders and stops occupy nothing.

    `shares` counts the orders that have a share in the sums; each keeps its own as `share`. `resting` and `whole` (with
    pending orders) are the margins as they were added up last; whoever adds keeps them.
    """

    __slots__ = ("_costs", "_quantities", "resting", "shares", "whole")

    def __init__(self) -> None:
        self.shares = 0
        self._quantities = [ZERO] * 4
        self._costs = [ZERO] * 4
        self.resting = ZERO
        self.whole = ZERO

    def has_resting(self) -> bool:
        return bool(self._quantities[_RESTING] or self._quantities[_SELLS + _RESTING])

    def resting_quantity(self, side: Side) -> Decimal:
        """How much the resting orders of this side could open."""
        return self._quantities[_RESTING + (_SELLS if side is SELL else 0)]

    def update(self, order: WorkingOrder) -> bool:
        """Bring the order's share in line with what is left of it; nothing is left of one that has ended.

        Gives whether the sums over the resting ones have changed.
        """
        quantities, costs, share = self._quantities, self._costs, order.share
        was_resting = False
        if share is not None:
            place, quantity, cost = share
            order.share = None
            self.shares -= 1
            quantities[place] -= quantity
            costs[place] -= cost
            was_resting = not place & _PENDING
        if not order.holds_margin():
            return was_resting
        place = (_PENDING if order.is_pending else _RESTING) + (_SELLS if order.side is SELL else 0)
        quantity = order.quantity - order.filled_quantity
        cost = cost_of(order, quantity)
        order.share = place, quantity, cost
        self.shares += 1
        quantities[place] += quantity
        costs[place] += cost
        return was_resting or not order.is_pending

    def margins(self, holding: Holding) -> tuple[Decimal, Decimal]:
        """Margin that the resting ones occupy, and margin that all of them do.

        Orders against the position cost only what exceeds the position, each in proportion to its size: which of them
        would fill first is not known. Orders of both sides are added up (Bybit may net them: UNCONFIRMED, and this is
        the careful side).
        """
        if not self.shares:
            return ZERO, ZERO
        costs, quantity = self._costs, holding.quantity
        if not quantity:
            resting = costs[0] + costs[_SELLS]
            return resting, resting + costs[_PENDING] + costs[_SELLS + _PENDING]
        opening, closing = (_SELLS, 0) if quantity.is_signed() else (0, _SELLS)
        closable = abs(quantity)
        resting_quantity, resting_cost = self._quantities[closing], costs[closing]
        whole_quantity = resting_quantity + self._quantities[closing + _PENDING]
        resting = whole = costs[opening]
        whole += costs[opening + _PENDING]
        # of what the position can take there is nothing beyond it
        if whole_quantity > closable:
            resting += _beyond(closable, resting_quantity, resting_cost)
            whole += _beyond(closable, whole_quantity, resting_cost + costs[closing + _PENDING])
        return resting, whole

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
    holding, price = order.holding, order.price
    if price is None:
        price = holding.market.last_price
    return round_cost(price * quantity * holding.order_cost_rates[order.side is SELL])
