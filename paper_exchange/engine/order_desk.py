"""What a client asks about its orders between two bars: place, amend, cancel. Nothing is matched before the next open
but what asks for it (`trade_now`)."""

from __future__ import annotations

from decimal import Decimal

from alpha.domain.clock import to_ms
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from paper_exchange.engine import acceptance, matching, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.events import OrderState
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.market import Market
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import OrderRequest
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder


def place(venue: Venue, uid: int, request: OrderRequest) -> OrderState:
    """Accept an order for the next open, or raise Refused."""
    account, order, holding = _accept(venue, uid, request)
    venue.pending[order.order_id] = (account, order)
    _tell(venue, account, order, holding)
    return order.state


def trade_now(venue: Venue, uid: int, request: OrderRequest) -> OrderState:
    """Accept a market order and match it whole at once, or raise Refused. Its acceptance alone is not told."""
    if request.order_type is not OrderType.MARKET:
        raise Refused(acceptance.BAD_PARAMETER, "params error: only a market order can be matched at once")
    account, order, _ = _accept(venue, uid, request)
    matching.match_whole(venue, account, order, venue.now)
    return order.state


def _accept(venue: Venue, uid: int, request: OrderRequest) -> tuple[Account, WorkingOrder, Holding]:
    account = venue.account(uid)
    market = venue.market(request.symbol)
    acceptance.check_market(market)
    acceptance.check_position_idx(request.position_idx)
    acceptance.check_link_id(account, request.order_link_id)
    holding = account.holding(market)
    quantity = acceptance.accepted_quantity(request, market, holding)
    price = _limit_price(request, market)
    reference = market.last_price if price is None else price
    _check_stops(request, market, reference)
    if not request.reduce_only:
        acceptance.check_notional(reference, quantity, market)
    if len(account.open_orders.get(request.symbol, ())) - len(holding.stops) >= acceptance.MAX_ACTIVE_ORDERS:
        raise Refused(acceptance.TOO_MANY_ORDERS, f"more than {acceptance.MAX_ACTIVE_ORDERS} active orders")
    content = () if request.order_link_id else _content(uid, request)
    order = WorkingOrder(
        uid=uid,
        symbol=request.symbol,
        position_idx=request.position_idx,
        order_id=_order_id(venue, uid, request, content),
        order_link_id=request.order_link_id,
        side=request.side,
        order_type=request.order_type,
        time_in_force=TimeInForce.IOC if price is None else request.time_in_force,
        status=OrderStatus.NEW,
        price=price,
        quantity=quantity,
        reduce_only=request.reduce_only,
        close_on_trigger=request.close_on_trigger,
        last_price_on_created=market.last_price,
        created_at=venue.now,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
    )
    order.is_pending = True
    _check_margin(account, order, holding)
    if content:
        venue.unnamed[content] += 1
    account.keep(order)
    return account, order, holding


def amend(
    venue: Venue,
    uid: int,
    symbol: Symbol,
    *,
    order_id: str | None,
    order_link_id: str | None,
    quantity: Decimal | None,
    price: Decimal | None,
) -> OrderState:
    """Change total quantity or price of an open order, to be matched again at the next open, or raise Refused."""
    account = venue.account(uid)
    market = venue.market(symbol)
    holding = account.holding(market)
    order = _open_order(account, symbol, order_id, order_link_id)
    if order is None or order.is_stop:
        raise Refused(acceptance.NO_SUCH_ORDER, "order not exists or too late to replace")
    new_quantity = order.quantity if quantity is None else quantity
    new_price = order.price if price is None else price
    if (new_quantity, new_price) == (order.quantity, order.price):
        raise Refused(
            acceptance.BAD_PARAMETER, "The order remains unchanged as the parameters entered match the existing ones."
        )
    if order.price is None and price is not None:
        raise Refused(acceptance.BAD_PARAMETER, "params error: a market order has no price")
    if new_quantity <= 0 or not market.instrument.is_on_step(new_quantity):
        raise Refused(acceptance.BAD_PARAMETER, "Qty invalid")
    if new_quantity <= order.filled_quantity:
        raise Refused(acceptance.AMENDED_BELOW_FILLED, "The new order quantity cannot be less than the filled quantity")
    if not order.reduce_only:
        acceptance.check_quantity_limits(new_quantity, order.order_type, market)
        acceptance.check_notional(market.last_price if new_price is None else new_price, new_quantity, market)
    if price is not None:
        acceptance.check_limit_price(price, order.side, market)
    before = (order.quantity, order.price, order.is_pending)
    order.quantity, order.price, order.is_pending = new_quantity, new_price, True
    account.reserve(order)
    try:
        _check_margin(account, order, holding)
    except Refused:
        order.quantity, order.price, order.is_pending = before
        account.reserve(order)
        raise
    market.resting.pop(order.order_id, None)
    venue.pending[order.order_id] = (account, order)
    order.become(order.status, venue.now)
    _tell(venue, account, order, holding)
    return order.state


def cancel_one(
    venue: Venue, uid: int, symbol: Symbol, *, order_id: str | None, order_link_id: str | None
) -> OrderState:
    """Cancel an open order, also a stop of the position. The order id wins when both are given. Raises Refused."""
    account = venue.account(uid)
    holding = account.holding(venue.market(symbol))
    order = _open_order(account, symbol, order_id, order_link_id)
    if order is None:
        raise Refused(acceptance.NO_SUCH_ORDER, "order not exists or too late to cancel")
    _cancel(venue, account, holding, order)
    venue.tell_position(account, holding, venue.now)
    return order.state


def cancel_all(venue: Venue, uid: int, symbol: Symbol | None, *, include_stops: bool) -> list[OrderState]:
    """Cancel everything that is open, in one symbol or in all. Gives what was cancelled; nothing open is no error."""
    account = venue.account(uid)
    symbols = sorted(account.open_orders) if symbol is None else [symbol]
    cancelled: list[OrderState] = []
    for name in symbols:
        holding = account.holding(venue.market(name))
        orders = [order for order in account.open_orders.get(name, {}).values() if include_stops or not order.is_stop]
        for order in sorted(orders, key=lambda order: order.sort_key):
            _cancel(venue, account, holding, order)
            cancelled.append(order.state)
        if orders:
            venue.tell_position(account, holding, venue.now)
    return cancelled


def _cancel(venue: Venue, account: Account, holding: Holding, order: WorkingOrder) -> None:
    if order.is_stop:
        stops.remove(venue, account, holding, StopKind(order.stop_order_type), venue.now)
    else:
        cancel(venue, account, order, venue.now, cancel_type="CancelByUser")


def _tell(venue: Venue, account: Account, order: WorkingOrder, holding: Holding) -> None:
    venue.tell_order(order)
    venue.tell_position(account, holding, venue.now)


def _limit_price(request: OrderRequest, market: Market) -> Decimal | None:
    if request.order_type is OrderType.MARKET:
        return None
    if request.price is None:
        raise Refused(acceptance.BAD_PARAMETER, "params error: Price invalid")
    acceptance.check_limit_price(request.price, request.side, market)
    return request.price


def _check_stops(request: OrderRequest, market: Market, reference: Decimal) -> None:
    if request.take_profit is None and request.stop_loss is None:
        return
    if request.reduce_only:
        raise Refused(acceptance.BAD_PARAMETER, "params error: a reduce-only order cannot carry takeProfit or stopLoss")
    acceptance.check_stop_prices(
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        direction=request.side.sign,
        base=reference,
        market=market,
    )


def _check_margin(account: Account, order: WorkingOrder, holding: Holding) -> None:
    if not order.reduce_only and not account.can_carry(order, holding):
        raise Refused(acceptance.NOT_ENOUGH_MARGIN, "ab not enough for new order")


def _open_order(
    account: Account, symbol: Symbol, order_id: str | None, order_link_id: str | None
) -> WorkingOrder | None:
    order = account.orders.get(order_id) if order_id else account.by_link_id.get(order_link_id or "")
    if order is None or order.symbol != symbol or not order.is_open:
        return None
    return order


def _order_id(venue: Venue, uid: int, request: OrderRequest, content: tuple[str, ...]) -> OrderId:
    """From the link id; without one from what is asked, when, and how many equal requests there were before it."""
    if request.order_link_id:
        return OrderId(venue.ids.make("order", uid, request.order_link_id))
    return OrderId(venue.ids.make("unnamed-order", to_ms(venue.now), *content, venue.unnamed[content] + 1))


def _content(uid: int, request: OrderRequest) -> tuple[str, ...]:
    """What makes two orders without a link id equal."""
    return (
        str(uid),
        request.symbol,
        request.side.value,
        request.order_type.value,
        request.time_in_force.value,
        str(request.quantity.normalize()),
        str(request.price),
        str(request.reduce_only),
        str(request.take_profit),
        str(request.stop_loss),
    )
