from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from alpha.domain.side import Side
from paper_exchange.engine.members import SELL
from paper_exchange.engine.money import ZERO, round_cost
from paper_exchange.engine.working_order import WorkingOrder

if TYPE_CHECKING:
    from paper_exchange.engine.holding import Holding


class Share:
    """What one order has put into the sums it is part of."""

    __slots__ = ("cost", "quantity", "sums")

    def __init__(self, sums: Sums, quantity: Decimal, cost: Decimal) -> None:
        self.sums = sums
        self.quantity = quantity
        self.cost = cost


class Sums:
    """How much some orders would buy and sell, and what that would cost if it opened the position."""

    __slots__ = ("bought", "buying_cost", "count", "selling_cost", "sold")

    def __init__(self) -> None:
        self.count = 0
        self.bought = self.buying_cost = ZERO
        self.sold = self.selling_cost = ZERO

    def put(self, side: Side, quantity: Decimal, cost: Decimal) -> None:
        self.count += 1
        if side is SELL:
            self.sold += quantity
            self.selling_cost += cost
        else:
            self.bought += quantity
            self.buying_cost += cost

    def take(self, side: Side, quantity: Decimal, cost: Decimal) -> None:
        self.count -= 1
        if side is SELL:
            self.sold -= quantity
            self.selling_cost -= cost
        else:
            self.bought -= quantity
            self.buying_cost -= cost

    def with_those(self, others: Sums) -> Sums:
        """Of these orders and the others."""
        both = Sums()
        both.count = self.count + others.count
        both.bought, both.buying_cost = self.bought + others.bought, self.buying_cost + others.buying_cost
        both.sold, both.selling_cost = self.sold + others.sold, self.selling_cost + others.selling_cost
        return both

    def of(self, side: Side) -> tuple[Decimal, Decimal]:
        """Quantity and cost of one side."""
        return (self.sold, self.selling_cost) if side is SELL else (self.bought, self.buying_cost)

    def margin(self, holding: Holding) -> Decimal:
        """What they occupy beside the position.

        Orders against the position cost only what exceeds the position, each in proportion to its size: which of them
        would fill first is not known. Orders of both sides are added up (Bybit may net them: UNCONFIRMED, and this is
        the careful side).
        """
        if not self.count:
            return ZERO
        size = holding.size
        if not size:
            return self.buying_cost + self.selling_cost
        if holding.is_short:
            opening, closing_quantity, closing_cost = self.selling_cost, self.bought, self.buying_cost
        else:
            opening, closing_quantity, closing_cost = self.buying_cost, self.sold, self.selling_cost
        # of what the position can take there is nothing beyond it
        return opening if closing_quantity <= size else opening + _beyond(size, closing_quantity, closing_cost)


class Reservations:
    """What the open orders of one account on one position would cost if they opened it.

    Kept as running sums, those of pending orders apart. They are exact, because each cost is rounded before it is
    added, so they do not depend on the order of events. Reduce-only orders and stops occupy nothing.

    Each order that has a share in the sums keeps its own as `share`. `resting_margin` and `whole_margin` (with pending
    orders) are the margins as they were added up last; whoever adds keeps them.
    """

    __slots__ = ("_pending", "_resting", "resting_margin", "whole_margin")

    def __init__(self) -> None:
        self._resting = Sums()
        self._pending = Sums()
        self.resting_margin = ZERO
        self.whole_margin = ZERO

    def has_resting(self) -> bool:
        return self._resting.count > 0

    def has_any(self) -> bool:
        return self._resting.count > 0 or self._pending.count > 0

    def resting_quantity(self, side: Side) -> Decimal:
        """How much the resting orders of this side could open."""
        return self._resting.of(side)[0]

    def update(self, order: WorkingOrder) -> bool:
        """Bring the order's share in line with what is left of it; nothing is left of one that has ended.

        Gives whether the sums over the resting ones have changed.
        """
        share = order.share
        was_resting = False
        if share is not None:
            order.share = None
            share.sums.take(order.side, share.quantity, share.cost)
            was_resting = share.sums is self._resting
        if not order.holds_margin():
            return was_resting
        quantity = order.unfilled()
        share = order.share = Share(
            self._pending if order.is_pending else self._resting, quantity, cost_of(order, quantity)
        )
        share.sums.put(order.side, quantity, share.cost)
        return was_resting or not order.is_pending

    def margins(self, holding: Holding) -> tuple[Decimal, Decimal]:
        """Margin that the resting ones occupy, and margin that all of them do."""
        resting, pending = self._resting, self._pending
        if not resting.count:
            return ZERO, pending.margin(holding)
        margin = resting.margin(holding)
        return margin, resting.with_those(pending).margin(holding) if pending.count else margin

    def added_by(self, order: WorkingOrder) -> Decimal:
        """How much more margin one more resting order would occupy; orders that are pending do not count."""
        quantity = order.unfilled()
        closable = order.holding.closable(order.side)
        if not closable:
            return cost_of(order, quantity)
        if not self._resting.count:
            return _beyond(closable, quantity, cost_of(order, quantity)) if quantity > closable else ZERO
        resting_quantity, resting_cost = self._resting.of(order.side)
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
