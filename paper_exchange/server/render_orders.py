"""Orders on the wire (https://bybit-exchange.github.io/docs/v5/order/open-order, .../websocket/private/order)."""

from __future__ import annotations

from typing import Any

from alpha.domain.order import OrderType
from paper_exchange.engine import OrderState
from paper_exchange.server.wire_text import ms_text, number, number_or

SETTLE_COIN = "USDT"


def order_ids(order: OrderState) -> dict[str, str]:
    return {"orderId": order.order_id, "orderLinkId": order.order_link_id}


def rest_order(order: OrderState) -> dict[str, Any]:
    """One row of order/realtime and order/history."""
    return _order(order, average_unset="0")


def order_update(order: OrderState) -> dict[str, Any]:
    """One row of the `order` topic."""
    return {
        "category": "linear",
        **_order(order, average_unset=""),
        "closedPnl": number(order.closed_pnl),
        "feeCurrency": "",
        "brokerOrderPrice": "",
    }


def order_list(orders: list[OrderState], cursor: str) -> dict[str, Any]:
    return {"category": "linear", "nextPageCursor": cursor, "list": [rest_order(order) for order in orders]}


def cancelled_list(orders: list[OrderState]) -> dict[str, Any]:
    return {"list": [order_ids(order) for order in orders], "success": "1"}


def _order(order: OrderState, *, average_unset: str) -> dict[str, Any]:
    reference = order.price or order.trigger_price or order.last_price_on_created
    price = number_or(order.price, "0" if order.order_type is OrderType.MARKET else "")
    unset_limit = "0" if order.take_profit is not None or order.stop_loss is not None else ""
    return {
        "orderId": order.order_id,
        "orderLinkId": order.order_link_id,
        "parentOrderLinkId": order.parent_order_link_id,
        "blockTradeId": "",
        "symbol": order.symbol,
        "price": price,
        "qty": number(order.quantity),
        "side": order.side.value,
        "isLeverage": "",
        "positionIdx": order.position_idx,
        "orderStatus": order.status.value,
        "createType": order.create_type,
        "cancelType": order.cancel_type,
        "rejectReason": order.reject_reason,
        "avgPrice": number_or(order.average_price, average_unset),
        "leavesQty": number(order.leaves_quantity),
        "leavesValue": number(order.leaves_quantity * reference),
        "cumExecQty": number(order.filled_quantity),
        "cumExecValue": number(order.filled_value),
        "cumExecFee": number(order.fee),
        "cumFeeDetail": {SETTLE_COIN: number(order.fee)} if order.filled_quantity else {},
        "timeInForce": order.time_in_force.value,
        "orderType": order.order_type.value,
        "stopOrderType": order.stop_order_type,
        "orderIv": "",
        "marketUnit": "",
        "triggerPrice": number_or(order.trigger_price, ""),
        "takeProfit": number_or(order.take_profit, ""),
        "stopLoss": number_or(order.stop_loss, ""),
        "tpslMode": order.tpsl_mode,
        "ocoTriggerBy": "",
        "tpLimitPrice": number_or(order.tp_limit_price, unset_limit),
        "slLimitPrice": number_or(order.sl_limit_price, unset_limit),
        "tpTriggerBy": order.tp_trigger_by,
        "slTriggerBy": order.sl_trigger_by,
        "triggerDirection": order.trigger_direction,
        "triggerBy": order.trigger_by,
        "lastPriceOnCreated": number(order.last_price_on_created),
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.close_on_trigger,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "slippageToleranceType": order.slippage_tolerance_type or "UNKNOWN",
        "slippageTolerance": number_or(order.slippage_tolerance, ""),
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
        "createdTime": ms_text(order.created_at),
        "updatedTime": ms_text(order.updated_at),
    }
