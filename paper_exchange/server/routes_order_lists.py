"""Orders and executions that are there: https://bybit-exchange.github.io/docs/v5/order/open-order and beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

from alpha.domain.clock import to_ms
from alpha.domain.fill import ExecType
from alpha.domain.order import OrderStatus
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import OrderState
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.execution_index import place_of
from paper_exchange.server.order_scope import require_scope, symbols_of
from paper_exchange.server.paging import Place, cursor_place, first_page, page, tie_of, window
from paper_exchange.server.params import Params, invalid
from paper_exchange.server.render_executions import execution_list
from paper_exchange.server.render_orders import order_list
from paper_exchange.server.routes import PrivateRoute, Result, Route

_CLOSED_KEPT = 500
_UNFILLED_KEPT = timedelta(hours=24)
_REACH = timedelta(days=730)
_FILTERS = ("Order", "StopOrder", "OpenOrder", "tpslOrder")


def realtime(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Open orders; with `openOnly=1` the newest closed ones; with an id that order, whatever became of it."""
    params.linear()
    limit = params.limit(default=20, highest=50)
    by_id = _order_by_id(exchange, account, params)
    if by_id is not None:
        return order_list(by_id, "")
    require_scope(params)
    matches = _matching(exchange, params)
    if params.integer("openOnly", 0) != 1:
        orders = filter(matches, exchange.engine.orders(account.uid))
        return order_list(*page(orders, _place, params, limit))
    newest = exchange.order_index(account.uid).newest_first()
    closed = islice((pair for pair in newest if pair[1].status.is_terminal and matches(pair[1])), _CLOSED_KEPT)
    after = cursor_place(params)
    return order_list(*first_page((pair for pair in closed if after is None or pair[0] < after), limit))


def history(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Closed orders by the time they were created. What ended without a fill is forgotten after a day."""
    params.linear()
    limit = params.limit(default=20, highest=50)
    remembered = _remembered(exchange.now)
    by_id = _order_by_id(exchange, account, params)
    if by_id is not None:
        return order_list(list(filter(remembered, by_id)), "")
    start, end = window(params, exchange.now)
    status = params.optional_choice("orderStatus", OrderStatus)
    matches = _matching(exchange, params)
    found = (
        (place, order)
        for place, order in exchange.order_index(account.uid).newest_first(start, end, cursor_place(params))
        if status in (None, order.status) and remembered(order) and matches(order)
    )
    return order_list(*first_page(found, limit))


def executions(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Executions of all types, funding included, unless one is asked for. An id makes all other filters void."""
    params.linear()
    limit = params.limit(default=50, highest=100)
    is_listed = exchange.listed_executions(account)
    index = exchange.execution_index(account.uid)
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    if order_id is None and order_link_id is not None:
        order = exchange.engine.order(account.uid, order_link_id=order_link_id)
        order_id = "" if order is None else order.order_id
    if order_id is not None:
        return execution_list(*page(filter(is_listed, index.of_order(order_id)), place_of, params, limit))
    symbols = symbols_of(exchange, params)
    start, end = window(params, exchange.now)
    start = max(start, exchange.now - _REACH)
    kind = params.optional_choice("execType", ExecType)
    found = (
        (place, execution)
        for place, execution in index.newest_first(start, end, cursor_place(params))
        if (symbols is None or execution.symbol in symbols)
        and kind in (None, execution.exec_type)
        and is_listed(execution)
    )
    return execution_list(*first_page(found, limit))


def _order_by_id(exchange: Exchange, account: ExchangeAccount, params: Params) -> list[OrderState] | None:
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    if order_id is None and order_link_id is None:
        return None
    order = exchange.engine.order(account.uid, order_id, order_link_id=None if order_id else order_link_id)
    if order is None or params.optional("symbol") not in (None, order.symbol):
        return []
    return [order]


def _matching(exchange: Exchange, params: Params) -> Callable[[OrderState], bool]:
    """Whether an order is of the symbols asked for and passes `orderFilter`."""
    symbols = symbols_of(exchange, params)
    order_filter = params.optional("orderFilter")
    if order_filter is not None and order_filter not in _FILTERS:
        raise invalid("orderFilter")

    def matches(order: OrderState) -> bool:
        if symbols is not None and order.symbol not in symbols:
            return False
        is_stop = bool(order.stop_order_type)
        if order_filter == "Order":
            return not is_stop
        return is_stop or order_filter in (None, "OpenOrder")

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
    PrivateRoute(path="/v5/order/realtime", handler=realtime),
    PrivateRoute(path="/v5/order/history", handler=history),
    PrivateRoute(path="/v5/execution/list", handler=executions),
)
