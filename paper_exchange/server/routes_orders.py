"""Placing, changing and cancelling orders (https://bybit-exchange.github.io/docs/v5/order/create-order and beside)."""

from __future__ import annotations

from typing import Any

from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import OrderRequest, OrderState, TpslMode, TriggerBy
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.order_scope import ids_of, require_scope, symbols_of
from paper_exchange.server.params import Params, invalid
from paper_exchange.server.render_orders import cancelled_list, order_ids
from paper_exchange.server.routes import PrivateRoute, Result, Route
from paper_exchange.state import AmendOrder, CancelAll, CancelOrder, PlaceOrder

_CANCELLED_KINDS = {"": "", "Order": "Order", "OpenOrder": "Order", "StopOrder": "StopOrder", "tpslOrder": "StopOrder"}
_BEYOND_PLAIN = frozenset(
    (
        "takeProfit",
        "stopLoss",
        "triggerPrice",
        "triggerDirection",
        "triggerBy",
        "tpslMode",
        "tpTriggerBy",
        "slTriggerBy",
        "tpOrderType",
        "slOrderType",
        "tpLimitPrice",
        "slLimitPrice",
        "slippageToleranceType",
        "slippageTolerance",
        "bboSideType",
    )
)


def create(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    return order_ids(place_order(exchange, account, params))


def amend(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    return order_ids(amend_order(exchange, account, params))


def cancel(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    return order_ids(cancel_order(exchange, account, params))


def cancel_all(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """Without an orderFilter it also cancels conditional orders and the stops of positions, as Bybit does."""
    params.linear()
    require_scope(params)
    order_filter = params.text("orderFilter", "")
    if order_filter not in _CANCELLED_KINDS:
        raise invalid("orderFilter")
    stop_order_type = params.text("stopOrderType", "") if order_filter == "StopOrder" else ""
    if stop_order_type not in ("", "Stop"):
        raise invalid("stopOrderType")
    symbols = symbols_of(exchange, params)
    cancelled: list[OrderState] = []
    for symbol in (None,) if symbols is None else sorted(symbols):
        request = CancelAll(
            uid=account.uid, symbol=symbol, order_filter=_CANCELLED_KINDS[order_filter], stop_order_type=stop_order_type
        )
        cancelled += exchange.accept(request)
    return cancelled_list(cancelled)


def place_order(exchange: Exchange, account: ExchangeAccount, params: Params) -> OrderState:
    """What one order of create or of a batch asks. Raises Refused."""
    symbol = exchange.listing(params.text("symbol")).symbol
    side = params.choice("side", Side)
    order_type = params.choice("orderType", OrderType)
    quantity = params.required_number("qty")
    price = params.level("price")
    time_in_force = params.choice("timeInForce", TimeInForce, TimeInForce.GTC)
    order_link_id = params.text("orderLinkId", "")
    reduce_only = params.flag("reduceOnly")
    close_on_trigger = params.flag("closeOnTrigger")
    position_idx = params.integer("positionIdx", 0)
    more = _beyond_plain(params) if params.has_any(_BEYOND_PLAIN) else {}
    request = OrderRequest(
        symbol=symbol,
        side=side,
        order_type=order_type,
        quantity=quantity,
        price=price,
        time_in_force=time_in_force,
        order_link_id=order_link_id,
        reduce_only=reduce_only,
        close_on_trigger=close_on_trigger,
        position_idx=position_idx,
        **more,
    )
    return exchange.accept(PlaceOrder(uid=account.uid, request=request))


def amend_order(exchange: Exchange, account: ExchangeAccount, params: Params) -> OrderState:
    """What one order of amend or of a batch asks. Raises Refused."""
    symbol = exchange.listing(params.text("symbol")).symbol
    order_id, order_link_id = ids_of(params)
    request = AmendOrder(
        uid=account.uid,
        symbol=symbol,
        order_id=order_id,
        order_link_id=order_link_id,
        quantity=params.number("qty"),
        price=params.level("price"),
        trigger_price=params.level("triggerPrice"),
        trigger_by=params.optional_choice("triggerBy", TriggerBy),
        take_profit=params.number("takeProfit"),
        stop_loss=params.number("stopLoss"),
        tpsl_mode=params.optional_choice("tpslMode", TpslMode),
        tp_trigger_by=params.optional_choice("tpTriggerBy", TriggerBy),
        sl_trigger_by=params.optional_choice("slTriggerBy", TriggerBy),
        tp_limit_price=params.level("tpLimitPrice"),
        sl_limit_price=params.level("slLimitPrice"),
    )
    return exchange.accept(request)


def cancel_order(exchange: Exchange, account: ExchangeAccount, params: Params) -> OrderState:
    """What one order of cancel or of a batch asks. Raises Refused."""
    symbol = exchange.listing(params.text("symbol")).symbol
    order_id, order_link_id = ids_of(params)
    request = CancelOrder(uid=account.uid, symbol=symbol, order_id=order_id, order_link_id=order_link_id)
    return exchange.accept(request)


def _beyond_plain(params: Params) -> dict[str, Any]:
    """What most orders do not have: a trigger, stops of their own, a bound on slippage. Raises Refused."""
    params.reject("bboSideType")
    slippage_type = params.text("slippageToleranceType", "")
    if slippage_type not in ("", "UNKNOWN", "TickSize", "Percent"):
        raise invalid("slippageToleranceType")
    direction = params.integer("triggerDirection", 0)
    if direction not in (0, 1, 2):
        raise invalid("triggerDirection")
    return {
        "take_profit": params.level("takeProfit"),
        "stop_loss": params.level("stopLoss"),
        "trigger_price": params.level("triggerPrice"),
        "trigger_direction": direction,
        "trigger_by": params.choice("triggerBy", TriggerBy, TriggerBy.LAST),
        "tpsl_mode": params.choice("tpslMode", TpslMode, TpslMode.FULL),
        "tp_trigger_by": params.choice("tpTriggerBy", TriggerBy, TriggerBy.LAST),
        "sl_trigger_by": params.choice("slTriggerBy", TriggerBy, TriggerBy.LAST),
        "tp_order_type": params.choice("tpOrderType", OrderType, OrderType.MARKET),
        "sl_order_type": params.choice("slOrderType", OrderType, OrderType.MARKET),
        "tp_limit_price": params.level("tpLimitPrice"),
        "sl_limit_price": params.level("slLimitPrice"),
        "slippage_tolerance_type": "" if slippage_type == "UNKNOWN" else slippage_type,
        "slippage_tolerance": params.level("slippageTolerance"),
    }


ROUTES: tuple[Route, ...] = (
    PrivateRoute(method="POST", path="/v5/order/create", handler=create),
    PrivateRoute(method="POST", path="/v5/order/amend", handler=amend),
    PrivateRoute(method="POST", path="/v5/order/cancel", handler=cancel),
    PrivateRoute(method="POST", path="/v5/order/cancel-all", handler=cancel_all),
)
