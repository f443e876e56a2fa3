"""Orders and executions: https://bybit-exchange.github.io/docs/v5/order/create-order and the pages beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from alpha.domain.clock import to_ms
from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import OrderRequest, OrderState, Refused
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.execution_index import place_of
from paper_exchange.server.paging import Place, cursor_place, first_page, page, tie_of, window
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.render_executions import execution_list
from paper_exchange.server.render_orders import SETTLE_COIN, cancelled_list, order_ids, order_list
from paper_exchange.server.routes import PrivateRoute, Result, Route
from paper_exchange.state import AmendOrder, CancelAll, CancelOrder, PlaceOrder

_CLOSED_KEPT = 500
_UNFILLED_KEPT = timedelta(hours=24)
_REACH = timedelta(days=730)
_FILTERS = ("Order", "StopOrder", "OpenOrder", "tpslOrder")


def create(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    listing = exchange.listing(params.text("symbol"))
    params.reject("triggerPrice", "slippageTolerance", "bboSideType", "tpLimitPrice", "slLimitPrice")
    if params.text("tpslMode", "Full") != "Full":
        raise invalid("tpslMode")
    request = OrderRequest(
        symbol=listing.symbol,
        side=params.choice("side", Side),
        order_type=params.choice("orderType", OrderType),
        quantity=params.required_number("qty"),
        price=params.level("price"),
        time_in_force=params.choice("timeInForce", TimeInForce, TimeInForce.GTC),
        order_link_id=params.text("orderLinkId", ""),
        reduce_only=params.flag("reduceOnly"),
        close_on_trigger=params.flag("closeOnTrigger"),
        take_profit=params.level("takeProfit"),
        stop_loss=params.level("stopLoss"),
        position_idx=params.integer("positionIdx", 0),
    )
    return order_ids(exchange.accept(PlaceOrder(uid=account.uid, request=request)))


def amend(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    params.reject("triggerPrice", "takeProfit", "stopLoss")
    symbol = exchange.listing(params.text("symbol")).symbol
    order_id, order_link_id = _ids(params)
    request = AmendOrder(
        uid=account.uid,
        symbol=symbol,
        order_id=order_id,
        order_link_id=order_link_id,
        quantity=params.level("qty"),
        price=params.level("price"),
    )
    return order_ids(exchange.accept(request))


def cancel(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    order_id, order_link_id = _ids(params)
    request = CancelOrder(uid=account.uid, symbol=symbol, order_id=order_id, order_link_id=order_link_id)
    return order_ids(exchange.accept(request))


def cancel_all(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Without an orderFilter it also cancels the stops of positions, as Bybit does."""
    params.linear()
    symbol = _scope(exchange, params)
    if symbol is None and not params.optional("baseCoin") and not params.optional("settleCoin"):
        raise Refused(BAD_PARAMETER, "params error: symbol, baseCoin or settleCoin is required")
    order_filter = params.optional("orderFilter")
    if order_filter not in (None, "Order"):
        raise invalid("orderFilter")
    request = CancelAll(uid=account.uid, symbol=symbol, include_stops=order_filter is None)
    return cancelled_list(exchange.accept(request))


def realtime(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Open orders; with `openOnly=1` the newest closed ones; with an id that order, whatever became of it."""
    params.linear()
    limit = params.limit(default=20, highest=50)
    by_id = _order_by_id(exchange, account, params)
    if by_id is not None:
        return order_list(by_id, "")
    _require_scope(params)
    symbol = _scope(exchange, params)
    if params.integer("openOnly", 0) == 1:
        orders = exchange.engine.orders(account.uid, symbol, open_only=False)
        closed = sorted((order for order in orders if order.status.is_terminal), key=_place)
        orders = closed[-_CLOSED_KEPT:]
    else:
        orders = exchange.engine.orders(account.uid, symbol)
    return order_list(*page(filter(_matching(params), orders), _place, params, limit))


def history(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Closed orders by the time they were created. What ended without a fill is forgotten after a day."""
    params.linear()
    limit = params.limit(default=20, highest=50)
    remembered = _remembered(exchange.now)
    by_id = _order_by_id(exchange, account, params)
    if by_id is not None:
        return order_list(list(filter(remembered, by_id)), "")
    symbol = _scope(exchange, params)
    start, end = window(params, exchange.now)
    status = params.optional("orderStatus")
    matches = _matching(params)
    orders = [
        order
        for order in exchange.engine.orders(account.uid, symbol, open_only=False)
        if start <= order.created_at <= end
        and remembered(order)
        and status in (None, order.status.value)
        and matches(order)
    ]
    return order_list(*page(orders, _place, params, limit))


def executions(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Executions of all types, funding included, unless one is asked for. An id makes all other filters void."""
    params.linear()
    limit = params.limit(default=50, highest=100)
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    is_listed = exchange.listed_executions(account)
    if order_id or order_link_id:
        of_order = [
            execution
            for execution in exchange.engine.executions(account.uid)
            if (execution.order_id == order_id if order_id else execution.order_link_id == order_link_id)
            and is_listed(execution)
        ]
        return execution_list(*page(of_order, place_of, params, limit))
    symbol = _scope(exchange, params)
    start, end = window(params, exchange.now)
    start = max(start, exchange.now - _REACH)
    kind = params.optional("execType")
    if kind is not None and kind not in {known.value for known in ExecType}:
        raise invalid("execType")
    base = params.optional("baseCoin")
    index = exchange.execution_index(account.uid)
    found = (
        (place, execution)
        for place, execution in index.newest_first(start, end, cursor_place(params))
        if symbol in (None, execution.symbol)
        and kind in (None, execution.exec_type.value)
        and base in (None, exchange.listings[execution.symbol].instrument.base)
        and is_listed(execution)
    )
    return execution_list(*first_page(found, limit))


def _ids(params: Params) -> tuple[str | None, str | None]:
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    if order_id is None and order_link_id is None:
        raise Refused(BAD_PARAMETER, "params error: orderId or orderLinkId is required")
    return order_id, order_link_id


def _scope(exchange: Exchange, params: Params) -> Symbol | None:
    """The symbol asked for; None for all of the settle coin."""
    symbol = params.optional("symbol")
    if symbol is not None:
        return exchange.listing(symbol).symbol
    if params.text("settleCoin", SETTLE_COIN) != SETTLE_COIN:
        raise invalid("settleCoin")
    return None


def _require_scope(params: Params) -> None:
    if not any(params.optional(name) for name in ("symbol", "settleCoin", "baseCoin")):
        raise Refused(BAD_PARAMETER, "params error: symbol, settleCoin or baseCoin is required")


def _order_by_id(exchange: Exchange, account: ExchangeAccount, params: Params) -> list[OrderState] | None:
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    if order_id is None and order_link_id is None:
        return None
    order = exchange.engine.order(account.uid, order_id, order_link_id=None if order_id else order_link_id)
    if order is None or params.optional("symbol") not in (None, order.symbol):
        return []
    return [order]


def _matching(params: Params) -> Callable[[OrderState], bool]:
    """Whether an order passes `orderFilter` and `baseCoin`."""
    order_filter, base = params.optional("orderFilter"), params.optional("baseCoin")
    if order_filter is not None and order_filter not in _FILTERS:
        raise invalid("orderFilter")

    def matches(order: OrderState) -> bool:
        is_stop = bool(order.stop_order_type) and order.stop_order_type != "UNKNOWN"
        if order_filter == "Order" and is_stop:
            return False
        if order_filter in ("StopOrder", "tpslOrder") and not is_stop:
            return False
        return base is None or order.symbol == f"{base}{SETTLE_COIN}"

    return matches


def _remembered(now: datetime) -> Callable[[OrderState], bool]:
    oldest_unfilled = now - _UNFILLED_KEPT

    def remembered(order: OrderState) -> bool:
        if not order.status.is_terminal:
            return False
        return order.status is OrderStatus.FILLED or bool(order.filled_quantity) or order.updated_at >= oldest_unfilled

    return remembered


def _place(order: OrderState) -> Place:
    return Place(to_ms(order.created_at), tie_of(order.order_id))


ROUTES: tuple[Route, ...] = (
    PrivateRoute(method="POST", path="/v5/order/create", handler=create),
    PrivateRoute(method="POST", path="/v5/order/amend", handler=amend),
    PrivateRoute(method="POST", path="/v5/order/cancel", handler=cancel),
    PrivateRoute(method="POST", path="/v5/order/cancel-all", handler=cancel_all),
    PrivateRoute(path="/v5/order/realtime", handler=realtime),
    PrivateRoute(path="/v5/order/history", handler=history),
    PrivateRoute(path="/v5/execution/list", handler=executions),
)
