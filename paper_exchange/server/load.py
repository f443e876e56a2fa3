"""Load on request: market orders by the hundred, executed and published at once (`POST /admin/trade`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from alpha.domain.order import OrderType
from alpha.domain.side import Side
from paper_exchange.engine import OrderRequest, OrderState, Refused
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import BAD_PARAMETER, Params
from paper_exchange.state import PlaceOrder, TradeNow

MOST_ORDERS = 5_000
_AT_ONCE = 50
"""Orders between two turns of the event loop: few enough that sockets and requests are served meanwhile."""


async def trade(exchange: Exchange, broadcast: Broadcast, orders: Sequence[PlaceOrder]) -> dict[str, Any]:
    """Executes and publishes the orders, `{"executions": n, "orders": [id or null], "refused": [...]}`."""
    executions = 0
    ids: list[str | None] = []
    refused: list[dict[str, Any]] = []
    for start in range(0, len(orders), _AT_ONCE):
        traded = exchange.trade_now(TradeNow(orders=tuple(orders[start : start + _AT_ONCE])))
        broadcast.now()
        executions += traded.executions
        for outcome in traded.outcomes:
            if isinstance(outcome, OrderState):
                ids.append(outcome.order_id)
            else:
                refused.append({"index": len(ids), "code": outcome.code, "text": outcome.text})
                ids.append(None)
        await asyncio.sleep(0)
    return {"executions": executions, "orders": ids, "refused": refused}


def read_orders(exchange: Exchange, given: object) -> list[PlaceOrder]:
    """Raises Refused saying which order is none."""
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_ORDERS:
        raise Refused(BAD_PARAMETER, f"orders must be a list of 1 to {MOST_ORDERS} orders")
    return [_read_order(exchange, row, f"orders[{number}]") for number, row in enumerate(given)]


def _read_order(exchange: Exchange, row: object, where: str) -> PlaceOrder:
    if not isinstance(row, dict):
        raise Refused(BAD_PARAMETER, f"{where} must be an object")
    params = Params(row)
    try:
        account = exchange.accounts.with_name(params.text("account"))
        if account is None:
            raise Refused(BAD_PARAMETER, "there is no account of this name")
        request = OrderRequest(
            symbol=exchange.listing(params.text("symbol")).symbol,
            side=params.choice("side", Side),
            order_type=OrderType.MARKET,
            quantity=params.required_number("qty"),
            order_link_id=params.text("order_link_id", ""),
            reduce_only=params.flag("reduce_only"),
        )
    except Refused as refused:
        raise Refused(BAD_PARAMETER, f"{where}: {refused.text}") from refused
    return PlaceOrder(uid=account.uid, request=request)
