"""Several orders in one request: https://bybit-exchange.github.io/docs/v5/order/batch-place and the pages beside it.

Every item is done or refused by itself, in the order given; retExtInfo tells what became of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import OrderState, Refused
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import Params
from paper_exchange.server.rate_limits import TOO_MANY_VISITS, TOO_MANY_VISITS_TEXT
from paper_exchange.server.routes import BatchResult, PrivateRoute, Route
from paper_exchange.server.routes_orders import amend_order, cancel_order, place_order
from paper_exchange.server.wire_text import ms_text

MOST_ORDERS = 20

Act = Callable[[Exchange, ExchangeAccount, Params], OrderState]


def create_batch(exchange: Exchange, account: ExchangeAccount, params: Params) -> BatchResult:
    def row(order: OrderState | None, item: Params) -> dict[str, Any]:
        created = "" if order is None else ms_text(order.created_at)
        return {**_row(item, order_id="" if order is None else order.order_id), "createAt": created}

    return _each(exchange, account, params, place_order, row)


def amend_batch(exchange: Exchange, account: ExchangeAccount, params: Params) -> BatchResult:
    return _each(exchange, account, params, amend_order, _row_of_known)


def cancel_batch(exchange: Exchange, account: ExchangeAccount, params: Params) -> BatchResult:
    return _each(exchange, account, params, cancel_order, _row_of_known)


def _each(
    exchange: Exchange,
    account: ExchangeAccount,
    params: Params,
    act: Act,
    row: Callable[[OrderState | None, Params], dict[str, Any]],
) -> BatchResult:
    params.linear()
    rows, outcomes = [], []
    for number, item in enumerate(params.items("request", most=MOST_ORDERS)):
        try:
            if params.admitted is not None and number >= params.admitted:
                raise Refused(TOO_MANY_VISITS, TOO_MANY_VISITS_TEXT)
            order = act(exchange, account, item)
        except Refused as refused:
            rows.append(row(None, item))
            outcomes.append({"code": refused.code, "msg": refused.text})
        else:
            rows.append(row(order, item))
            outcomes.append({"code": 0, "msg": "OK"})
    return BatchResult(rows, outcomes)


def _row_of_known(order: OrderState | None, item: Params) -> dict[str, Any]:
    if order is None:
        return _row(item, order_id=item.shown("orderId"))
    return {**_row(item, order_id=order.order_id), "orderLinkId": order.order_link_id}


def _row(item: Params, *, order_id: str) -> dict[str, Any]:
    return {
        "category": "linear",
        "symbol": item.shown("symbol"),
        "orderId": order_id,
        "orderLinkId": item.shown("orderLinkId"),
    }


ROUTES: tuple[Route, ...] = (
    PrivateRoute(method="POST", path="/v5/order/create-batch", handler=create_batch, items="request"),
    PrivateRoute(method="POST", path="/v5/order/amend-batch", handler=amend_batch, items="request"),
    PrivateRoute(method="POST", path="/v5/order/cancel-batch", handler=cancel_batch, items="request"),
)
