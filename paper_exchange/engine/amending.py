"""Changing an open order in place: it keeps its id, and its place among resting orders if it only becomes smaller.

A new price or a larger quantity costs the place: the order is matched again at the next open like one that has just
arrived, and the gap to that open does not fill it. What changes of stops alone, attached ones or those of a position,
costs nothing. (Bybit documents neither; this is what its kind of order book does.)
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from paper_exchange.engine import acceptance, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import OrderState
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.order_desk import open_order
from paper_exchange.engine.outcome import Outcome
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import OrderAmendment, TpslMode, TriggerBy
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_UNCHANGED: Final = "The order remains unchanged as the parameters entered match the existing ones."


class _Shape(NamedTuple):
    """What an amendment can change of an order, as it is or as it shall be."""

    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    trigger_by: TriggerBy
    take_profit: Decimal | None
    stop_loss: Decimal | None
    tpsl_mode: TpslMode
    tp_trigger_by: TriggerBy
    sl_trigger_by: TriggerBy
    tp_limit_price: Decimal | None
    sl_limit_price: Decimal | None

    @property
    def stops(self) -> tuple[object, ...]:
        """What it will put on the position."""
        return self[4:]

    @property
    def trigger(self) -> tuple[Decimal | None, TriggerBy]:
        return self.trigger_price, self.trigger_by


def amend(
    venue: Venue, uid: int, symbol: Symbol, change: OrderAmendment, *, order_id: str | None, order_link_id: str | None
) -> OrderState:
    """Change an open order: all that is asked or, with Refused, nothing of it."""
    account = venue.account(uid)
    market = venue.market(symbol)
    order = open_order(account, symbol, order_id, order_link_id)
    if order is None:
        raise Refused(acceptance.NO_SUCH_ORDER, "order not exists or too late to replace")
    holding = account.holding(market, order.position_idx)
    old, new = _shape(order), _amended(order, change)
    if new == old:
        raise Refused(acceptance.BAD_PARAMETER, _UNCHANGED)
    if order.is_position_stop and order.is_untriggered:
        _check_position_stop(order, old, new, holding, market)
    else:
        _check(order, old, new, holding, market)
        new = _cut_to_position(order, old, new, holding, market)
    loses_place = not order.is_untriggered and (new.price != old.price or new.quantity > old.quantity)
    _apply(account, order, old, new, loses_place=loses_place)
    if order.is_untriggered:
        stops.watch(venue, account, order)
    elif loses_place:
        market.resting.pop(order.order_id, None)
        venue.pending[order.order_id] = (account, order)
    order.become(order.status, venue.now)
    venue.tell_order(account, order)
    venue.tell_position(account, holding, venue.now)
    return order.told()


def _shape(order: WorkingOrder) -> _Shape:
    request = order.request
    return _Shape(
        order.quantity,
        order.price,
        order.trigger_price,
        order.trigger_by,
        order.take_profit,
        order.stop_loss,
        request.tpsl_mode,
        request.tp_trigger_by,
        request.sl_trigger_by,
        request.tp_limit_price,
        request.sl_limit_price,
    )


def _amended(order: WorkingOrder, change: OrderAmendment) -> _Shape:
    """The order as it shall be. A stop price of 0 is none."""
    asked = {name: value for name in _Shape._fields if (value := getattr(change, name)) is not None}
    wanted = _shape(order)._replace(**asked)
    return wanted._replace(take_profit=wanted.take_profit or None, stop_loss=wanted.stop_loss or None)


def _check(order: WorkingOrder, old: _Shape, new: _Shape, holding: Holding, market: Market) -> None:
    """An order of the client's: what changes is checked as for a new one."""
    if new.trigger != old.trigger:
        if not order.is_untriggered or new.trigger_price is None:
            raise Outcome.BAD_TRIGGER_PRICE.refused()
        acceptance.check_trigger(new.trigger_price, order.request.trigger_direction, new.trigger_by, market)
    reference = new.price or (new.trigger_price if order.is_untriggered else None) or market.last_price
    if new.quantity != old.quantity:
        _check_quantity(order, new.quantity, market)
    if new.price != old.price:
        _check_price(order, new, market)
    if (new.quantity, new.price) != (old.quantity, old.price) and not order.closes:
        acceptance.check_notional(reference, new.quantity, market)
    if new.stops != old.stops:
        _check_stops(order, new, reference, holding, market)


def _check_quantity(order: WorkingOrder, quantity: Decimal, market: Market) -> None:
    if quantity <= 0 or not market.instrument.is_on_step(quantity):
        raise Outcome.BAD_QUANTITY.refused()
    if quantity <= order.filled_quantity:
        raise Refused(acceptance.AMENDED_BELOW_FILLED, "The new order quantity cannot be less than the filled quantity")
    if not order.closes or order.is_untriggered:
        acceptance.check_quantity_limits(quantity, order.order_type, market)


def _cut_to_position(order: WorkingOrder, old: _Shape, new: _Shape, holding: Holding, market: Market) -> _Shape:
    """A new quantity of an active order that only reduces is no more than it can close, as when it was placed."""
    if new.quantity == old.quantity or not order.closes or order.is_untriggered:
        return new
    filled = order.filled_quantity
    cut = filled + acceptance.closing_quantity(new.quantity - filled, order.side, market, holding)
    new = new._replace(quantity=cut)
    if new == old:
        raise Refused(acceptance.BAD_PARAMETER, _UNCHANGED)
    return new


def _check_price(order: WorkingOrder, new: _Shape, market: Market) -> None:
    if order.order_type is OrderType.MARKET or new.price is None:
        raise Refused(acceptance.BAD_PARAMETER, "params error: a market order has no price")
    acceptance.check_limit_price(new.price, order.side, market, new.trigger_price if order.is_untriggered else None)


def _check_stops(order: WorkingOrder, new: _Shape, reference: Decimal, holding: Holding, market: Market) -> None:
    if order.closes:
        raise Outcome.STOPS_ON_REDUCE_ONLY.refused()
    if order.filled_quantity:
        text = "Not allowed to modify the TP/SL of a partially filled open order"
        raise Refused(acceptance.STOPS_OF_PARTLY_FILLED, text)
    acceptance.check_stop_orders(
        new.tpsl_mode,
        (order.request.tp_order_type, new.tp_limit_price, new.take_profit),
        (order.request.sl_order_type, new.sl_limit_price, new.stop_loss),
        market,
    )
    acceptance.check_stop_prices(
        take_profit=new.take_profit,
        stop_loss=new.stop_loss,
        direction=order.side.sign,
        tp_base=reference,
        sl_base=reference,
        market=market,
    )
    if new.tpsl_mode is TpslMode.PARTIAL and order.request.tpsl_mode is not TpslMode.PARTIAL:
        acceptance.check_partial_stops(holding)


def _check_position_stop(order: WorkingOrder, old: _Shape, new: _Shape, holding: Holding, market: Market) -> None:
    """A take profit or stop loss that waits: its trigger, and of mode Partial also its quantity and limit price."""
    kind = StopKind(order.stop_order_type)
    if kind is StopKind.TRAILING_STOP:
        raise Refused(acceptance.BAD_PARAMETER, "params error: a trailing stop is changed by trading-stop")
    if new.stops != old.stops:
        raise Outcome.STOPS_ON_REDUCE_ONLY.refused()
    if not kind.is_partial and (new.quantity, new.price) != (old.quantity, old.price):
        raise Refused(acceptance.FULL_STOP_FOLLOWS_POSITION, "Under full TP/SL mode, it is not allowed to modify TP/SL")
    if new.quantity != old.quantity:
        if new.quantity <= 0 or not market.instrument.is_on_step(new.quantity):
            raise Outcome.BAD_QUANTITY.refused()
        acceptance.check_partial_size(holding, kind, new.quantity - old.quantity)
    if new.price != old.price and (
        order.order_type is OrderType.MARKET
        or new.price is None
        or new.price <= 0
        or not market.instrument.is_on_tick(new.price)
    ):
        raise Outcome.BAD_PRICE.refused()
    if new.trigger != old.trigger:
        base = acceptance.watched_price(market, new.trigger_by)
        price = new.trigger_price
        acceptance.check_stop_prices(
            take_profit=price if kind.takes_profit else None,
            stop_loss=None if kind.takes_profit else price,
            direction=1 if order.side is Side.SELL else -1,
            tp_base=base,
            sl_base=base,
            market=market,
            tp_by=new.trigger_by,
            sl_by=new.trigger_by,
        )


def _apply(account: Account, order: WorkingOrder, old: _Shape, new: _Shape, *, loses_place: bool) -> None:
    """Give the order its new shape, or with Refused for want of margin leave it the old one."""
    was_pending = order.is_pending
    _put(order, new)
    order.is_pending = was_pending or loses_place
    account.reserve(order)
    if loses_place and order.holds_margin():
        try:
            acceptance.check_means(account, order)
        except Refused:
            _put(order, old)
            order.is_pending = was_pending
            account.reserve(order)
            raise
    if new.stops != old.stops:
        order.takes_stops = order.take_profit is not None or order.stop_loss is not None


def _put(order: WorkingOrder, shape: _Shape) -> None:
    order.quantity, order.price = shape.quantity, shape.price
    order.trigger_price, order.trigger_by = shape.trigger
    order.take_profit, order.stop_loss = shape.take_profit, shape.stop_loss
    order.request = replace(
        order.request,
        tpsl_mode=shape.tpsl_mode,
        tp_trigger_by=shape.tp_trigger_by,
        sl_trigger_by=shape.sl_trigger_by,
        tp_limit_price=shape.tp_limit_price,
        sl_limit_price=shape.sl_limit_price,
    )
