"""Take profit, stop loss and trailing stop of a position: orders of the exchange itself, one of each kind.

They cover the whole position (tpslMode Full), are reduce-only, carry no order link id, stay Untriggered until the last
price reaches them, and close at market. Changing a stop keeps its order id (UNCONFIRMED for Bybit, which may replace
the order).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import OrderId
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.trailing_stop import TrailingStop
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_CLEARED = "CancelByTpSlTsClear"
_SIBLING = {
    (StopKind.STOP_LOSS, StopKind.TAKE_PROFIT): "CancelByOCOTpCanceledBySlTriggered",
    (StopKind.TAKE_PROFIT, StopKind.STOP_LOSS): "CancelByOCOSlCanceledByTpTriggered",
}
"""(triggered, cancelled) -> cancelType; any other pair is a plain clearing."""


def attach(venue: Venue, account: Account, holding: Holding, entry: WorkingOrder, at: datetime) -> None:
    """Put the take profit and stop loss that came with an entry on the position it opened or increased."""
    for kind, price in ((StopKind.TAKE_PROFIT, entry.take_profit), (StopKind.STOP_LOSS, entry.stop_loss)):
        if price is not None:
            set_level(venue, account, holding, kind, price, at, parent=entry.order_link_id)


def set_level(
    venue: Venue, account: Account, holding: Holding, kind: StopKind, price: Decimal, at: datetime, *, parent: str = ""
) -> None:
    """Make the stop of this kind, or move the one that is there."""
    order = holding.stops.get(kind)
    if order is not None:
        order.trigger_price = price
        order.become(OrderStatus.UNTRIGGERED, at)
        venue.tell_order(order)
        return
    if holding.side is None:
        raise InvariantViolated(f"{holding.symbol}: a flat position of {holding.uid} cannot have a stop")
    holding.stops_made += 1
    made = WorkingOrder(
        uid=account.uid,
        symbol=holding.symbol,
        position_idx=holding.position_idx,
        order_id=OrderId(venue.ids.make("stop", account.uid, holding.symbol, kind.value, holding.stops_made)),
        order_link_id="",
        side=holding.side.opposite,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        status=OrderStatus.UNTRIGGERED,
        price=None,
        quantity=holding.size,
        reduce_only=True,
        close_on_trigger=True,
        last_price_on_created=holding.market.last_price,
        created_at=at,
        create_type=kind.create_type,
        stop_order_type=kind.value,
        trigger_price=price,
        trigger_direction=1 if triggers_rising(holding, kind) else 2,
        parent_order_link_id=parent,
    )
    holding.stops[kind] = made
    account.keep(made)
    venue.tell_order(made)


def set_trailing(
    venue: Venue, account: Account, holding: Holding, distance: Decimal, active_price: Decimal | None, at: datetime
) -> None:
    """Make or replace the trailing stop.

    An activation that the last price has reached already activates it at once (UNCONFIRMED: Bybit may refuse it).
    Its order's trigger price is the activation, or without one the level at which it starts.
    """
    trailing = TrailingStop(direction=holding.direction, distance=distance, active_price=active_price)
    trailing.observe(holding.market.last_price)
    holding.trailing = trailing
    shown = active_price if active_price is not None else trailing.level
    if shown is None:
        raise InvariantViolated("a trailing stop without activation is active at once")
    set_level(venue, account, holding, StopKind.TRAILING_STOP, shown, at)


def remove(venue: Venue, account: Account, holding: Holding, kind: StopKind, at: datetime) -> None:
    """Take a stop away because its owner asked for it."""
    cancel(venue, account, holding.stops.pop(kind), at, cancel_type="CancelByUser")
    if kind is StopKind.TRAILING_STOP:
        holding.trailing = None


def clear(venue: Venue, account: Account, holding: Holding, *, triggered: WorkingOrder, at: datetime) -> None:
    """The position they protected is gone: all end. `triggered` is the order that closed it, perhaps one of them."""
    by = next((kind for kind, order in holding.stops.items() if order is triggered), None)
    for kind, order in list(holding.stops.items()):
        if order is not triggered:
            cancel_type = _CLEARED if by is None else _SIBLING.get((by, kind), _CLEARED)
            cancel(venue, account, order, at, cancel_type=cancel_type)
    forget(holding)


def forget(holding: Holding) -> None:
    """Drop all stops from the position; their orders have ended."""
    holding.stops.clear()
    holding.trailing = None


def resize(venue: Venue, holding: Holding, at: datetime) -> None:
    """Stops of mode Full follow the size of the position."""
    for order in holding.stops.values():
        if order.quantity != holding.size:
            order.quantity = holding.size
            order.become(OrderStatus.UNTRIGGERED, at)
            venue.tell_order(order)


def triggers_rising(holding: Holding, kind: StopKind) -> bool:
    """Whether the stop is reached by a rising price: a take profit of a long, any other stop of a short."""
    return (kind is StopKind.TAKE_PROFIT) == (holding.direction > 0)


def trigger_level(holding: Holding, kind: StopKind) -> Decimal | None:
    """The last price at which the stop of this kind closes the position now, None when there is none or not active."""
    if kind is StopKind.TRAILING_STOP:
        return None if holding.trailing is None else holding.trailing.level
    order = holding.stops.get(kind)
    return None if order is None else order.trigger_price
