"""Take profit, stop loss and trailing stop of a position: orders of the exchange itself.

Of mode Full there is one of each kind: it covers the whole position, follows its size and closes it at market. Of mode
Partial there may be several: each closes the quantity it names, at market or by a limit order, and shrinks with the
position when that becomes smaller. All are reduce-only, carry no order link id, and stay Untriggered until the price
they watch reaches them. A take profit and a stop loss that were made together are a pair: when one is triggered or
cancelled the other ends as well, until one of them is changed alone.

Changing a stop keeps its order id (UNCONFIRMED for Bybit, which may replace the order).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import OrderId
from alpha.domain.order import OrderStatus, OrderType
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.requests import OrderRequest, TpslMode, TriggerBy
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.trailing_stop import TrailingStop
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_CLEARED: Final = "CancelByTpSlTsClear"
_STOPPED: Final = "CancelByOCOTpCanceledBySlTriggered"
_TAKEN: Final = "CancelByOCOSlCanceledByTpTriggered"
_LOSSES: Final = ("StopLoss", "PartialStopLoss")
_PROFITS: Final = ("TakeProfit", "PartialTakeProfit")


def follow(
    venue: Venue, account: Account, holding: Holding, order: WorkingOrder, before: Decimal, at: datetime
) -> None:
    """Bring the stops in line with the position after a match of `order`. `before` is the signed position before it."""
    has_stops = holding.stops or holding.partial_stops
    if has_stops or holding.reducing:
        quantity = holding.quantity
        if before and (not quantity or (quantity > 0) is not (before > 0)):
            if has_stops:
                clear(venue, account, holding, closed_by=order, at=at)
            if holding.reducing:
                _cancel_reducing(venue, account, holding, closed_by=order, was_long=before > 0, at=at)
        elif has_stops:
            _resize(venue, account, holding, at)
    if order.takes_stops and holding.side is order.side:
        _attach(venue, account, holding, order, at)


def set_level(
    venue: Venue, account: Account, holding: Holding, kind: StopKind, price: Decimal, at: datetime, *,
    by: TriggerBy | None = None, parent: str = "",
) -> WorkingOrder:  # fmt: skip
    """Make the stop of this kind for the whole position, or move the one that is there, which ends its pair."""
    order = holding.stops.get(kind)
    if order is not None:
        _unbind(order)
        order.trigger_price = price
        order.trigger_by = order.trigger_by if by is None else by
        order.become(OrderStatus.UNTRIGGERED, at)
    else:
        order = _make(
            venue, account, holding, kind, at,
            price=price, by=by or TriggerBy.LAST, quantity=holding.size, limit=None, parent=parent,
        )  # fmt: skip
        holding.stops[kind] = order
    watch(venue, account, order)
    venue.tell_order(account, order)
    return order


def add_partial(
    venue: Venue, account: Account, holding: Holding, kind: StopKind, price: Decimal, at: datetime, *,
    by: TriggerBy, quantity: Decimal, limit: Decimal | None, parent: str = "",
) -> WorkingOrder:  # fmt: skip
    """One more stop for a part of the position; `limit` is the price of a limit order, None for a market order."""
    order = _make(venue, account, holding, kind, at, price=price, by=by, quantity=quantity, limit=limit, parent=parent)
    holding.partial_stops[order.order_id] = order
    watch(venue, account, order)
    venue.tell_order(account, order)
    return order


def set_trailing(
    venue: Venue, account: Account, holding: Holding, distance: Decimal, active_price: Decimal | None, at: datetime
) -> None:
    """Make or replace the trailing stop.

    An activation that the last price has reached already activates it at once (UNCONFIRMED: Bybit may refuse it).
    Its order's trigger price is the activation until that is reached, then the level, which moves (UNCONFIRMED).
    """
    trailing = TrailingStop(direction=holding.direction, distance=distance, active_price=active_price)
    trailing.observe(holding.market.last_price)
    holding.trailing = trailing
    shown = active_price if trailing.level is None else trailing.level
    if shown is None:
        raise InvariantViolated("a trailing stop without activation is active at once")
    set_level(venue, account, holding, StopKind.TRAILING_STOP, shown, at)


def observe(holding: Holding, price: Decimal) -> None:
    """A trailing stop takes in a price that was traded, and its order with it."""
    trailing = holding.trailing
    if trailing is not None:
        trailing.observe(price)
        if trailing.level is not None:
            holding.stops[StopKind.TRAILING_STOP].trigger_price = trailing.level


def tell_trailing(venue: Venue, account: Account, holding: Holding, at: datetime) -> None:
    """Tell the order of a trailing stop that stands elsewhere than was told last."""
    if holding.trailing is None:
        return
    order = holding.stops[StopKind.TRAILING_STOP]
    if order.trigger_price != order.told_trigger_price:
        order.become(OrderStatus.UNTRIGGERED, at)
        venue.tell_order(account, order)


def bind(*pair: WorkingOrder | None) -> None:
    """Make a take profit and a stop loss a pair; with one of them missing there is none."""
    one, other = pair
    if one is not None and other is not None:
        one.sibling, other.sibling = other, one


def watch(venue: Venue, account: Account, order: WorkingOrder) -> None:
    """Let the walk look out for the order's trigger."""
    market = venue.markets[order.symbol]
    market.triggers[order.order_id] = (account, order)
    venue.began_to_wait.append((account, order))


def remove(venue: Venue, account: Account, holding: Holding, order: WorkingOrder, at: datetime) -> list[WorkingOrder]:
    """Take away a stop that its owner cancels, and the other one of its pair. Gives those that ended."""
    ended = [order] if order.sibling is None else [order, order.sibling]
    for stop in ended:
        forget(holding, stop)
        cancel(venue, account, stop, at, cancel_type="CancelByUser")
    return ended


def remove_alone(venue: Venue, account: Account, holding: Holding, order: WorkingOrder, at: datetime) -> None:
    """Take away one stop because the position is to have it no more; the other one of its pair stays, unbound."""
    _unbind(order)
    remove(venue, account, holding, order, at)


def clear(venue: Venue, account: Account, holding: Holding, *, closed_by: WorkingOrder, at: datetime) -> None:
    """The position they protected is gone: all end. `closed_by` is the order that closed it, perhaps one of them."""
    for order in [*holding.stops.values(), *holding.partial_stops.values()]:
        if order is not closed_by:
            cancel(venue, account, order, at, cancel_type=_ended_by(closed_by, order))
    forget_all(holding)


def cancel_sibling(
    venue: Venue, account: Account, holding: Holding, triggered: WorkingOrder, other: WorkingOrder, at: datetime
) -> None:
    """One of a pair was triggered, so the other ends."""
    forget(holding, other)
    cancel(venue, account, other, at, cancel_type=_ended_by(triggered, other))


def forget(holding: Holding, order: WorkingOrder) -> None:
    """The position has this stop no more: it was triggered, or is about to end."""
    _unbind(order)
    if holding.partial_stops.pop(order.order_id, None) is None:
        kind = StopKind(order.stop_order_type)
        del holding.stops[kind]
        if kind is StopKind.TRAILING_STOP:
            holding.trailing = None


def forget_all(holding: Holding) -> None:
    """Drop all stops from the position; their orders have ended."""
    holding.stops.clear()
    holding.partial_stops.clear()
    holding.trailing = None


def _attach(venue: Venue, account: Account, holding: Holding, entry: WorkingOrder, at: datetime) -> None:
    """Put the take profit and stop loss that came with an entry on the position it opened or increased."""
    if entry.request.tpsl_mode is TpslMode.PARTIAL:
        _attach_partial(venue, account, holding, entry, at)
        return
    entry.takes_stops = False
    request = entry.request
    bind(
        *[
            None if price is None else set_level(
                venue, account, holding, kind, price, at, by=by, parent=entry.order_link_id
            )
            for kind, price, by in (
                (StopKind.TAKE_PROFIT, entry.take_profit, request.tp_trigger_by),
                (StopKind.STOP_LOSS, entry.stop_loss, request.sl_trigger_by),
            )
        ]
    )  # fmt: skip


def _attach_partial(venue: Venue, account: Account, holding: Holding, entry: WorkingOrder, at: datetime) -> None:
    """A pair that covers what the entry has filled so far: it grows with each fill until one of it has ended.

    What an entry fills after that gets a pair of its own.
    """
    pair = entry.attached
    if pair and not all(order.is_untriggered for order in pair):
        entry.attached_before += pair[0].quantity
        pair = ()
    quantity = min(entry.filled_quantity - entry.attached_before, holding.size)
    if quantity <= 0:
        return
    if pair:
        for order in pair:
            order.quantity = quantity
            order.become(OrderStatus.UNTRIGGERED, at)
            venue.tell_order(account, order)
        return
    request = entry.request
    take_profit = stop_loss = None
    if entry.take_profit is not None:
        take_profit = add_partial(
            venue, account, holding, StopKind.PARTIAL_TAKE_PROFIT, entry.take_profit, at,
            by=request.tp_trigger_by, quantity=quantity, parent=entry.order_link_id,
            limit=request.tp_limit_price if request.tp_order_type is OrderType.LIMIT else None,
        )  # fmt: skip
    if entry.stop_loss is not None:
        stop_loss = add_partial(
            venue, account, holding, StopKind.PARTIAL_STOP_LOSS, entry.stop_loss, at,
            by=request.sl_trigger_by, quantity=quantity, parent=entry.order_link_id,
            limit=request.sl_limit_price if request.sl_order_type is OrderType.LIMIT else None,
        )  # fmt: skip
    bind(take_profit, stop_loss)
    entry.attached = tuple(order for order in (take_profit, stop_loss) if order is not None)


def _make(
    venue: Venue, account: Account, holding: Holding, kind: StopKind, at: datetime, *,
    price: Decimal, by: TriggerBy, quantity: Decimal, limit: Decimal | None, parent: str,
) -> WorkingOrder:  # fmt: skip
    if holding.side is None:
        raise InvariantViolated(f"{holding.symbol}: a flat position of {holding.uid} cannot have a stop")
    holding.stops_made += 1
    request = OrderRequest(
        symbol=holding.symbol,
        side=holding.side.opposite,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        quantity=quantity,
        price=limit,
        reduce_only=True,
        close_on_trigger=True,
        position_idx=holding.position_idx,
        trigger_price=price,
        trigger_direction=1 if kind.takes_profit is (holding.quantity > 0) else 2,
        trigger_by=by,
    )
    name = (str(account.uid), holding.symbol, str(holding.position_idx), kind.value, str(holding.stops_made))
    order = WorkingOrder(
        holding,
        request,
        OrderId(venue.ids.make("stop", *name)),
        quantity,
        at,
        create_type=kind.create_type,
        stop_order_type=kind.value,
        parent_order_link_id=parent,
    )
    account.keep(order)
    return order


def _resize(venue: Venue, account: Account, holding: Holding, at: datetime) -> None:
    size = holding.size
    for order in holding.stops.values():
        if order.quantity != size:
            _set_quantity(venue, account, order, size, at)
    for order in holding.partial_stops.values():
        if order.quantity > size:
            _set_quantity(venue, account, order, size, at)


def _set_quantity(venue: Venue, account: Account, order: WorkingOrder, quantity: Decimal, at: datetime) -> None:
    order.quantity = quantity
    order.become(OrderStatus.UNTRIGGERED, at)
    venue.tell_order(account, order)


def _cancel_reducing(
    venue: Venue, account: Account, holding: Holding, *, closed_by: WorkingOrder, was_long: bool, at: datetime
) -> None:
    """The position they were to reduce is gone: resting orders that only reduce it end.

    Those that wait for a trigger stay (UNCONFIRMED), they cannot open anything; what has just arrived is told when it
    is matched.
    """
    for order in list(holding.reducing.values()):
        if order is closed_by or order.is_pending or order.is_untriggered:
            continue
        if (order.side.sign < 0) is was_long:
            cancel(venue, account, order, at, cancel_type="CancelByReduceOnly")


def _unbind(order: WorkingOrder) -> None:
    other = order.sibling
    if other is not None:
        order.sibling = other.sibling = None


def _ended_by(closed_by: WorkingOrder, order: WorkingOrder) -> str:
    """The cancelType of a stop that ended because of another order: its sibling by nature, or any other."""
    by, kind = closed_by.stop_order_type, order.stop_order_type
    if by in _LOSSES and kind in _PROFITS:
        return _STOPPED
    if by in _PROFITS and kind in _LOSSES:
        return _TAKEN
    return _CLEARED
