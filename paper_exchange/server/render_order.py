"""Orders (https://bybit-exchange.github.io/docs/v5/order/open-order, .../websocket/private/order)."""

from __future__ import annotations

from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import OrderState
from paper_exchange.server.render import ms, price, text


def order(state: OrderState) -> dict[str, Any]:
    """As the REST lists show it."""
    limit = state.price
    return {
        "orderId": state.order_id,
        "orderLinkId": state.order_link_id,
        "parentOrderLinkId": state.parent_order_link_id,
        "blockTradeId": "",
        "symbol": state.symbol,
        "price": price(limit, "0"),
        "qty": text(state.quantity),
        "side": state.side.value,
        "isLeverage": "",
        "positionIdx": state.position_idx,
        "orderStatus": state.status.value,
        "createType": state.create_type,
        "cancelType": state.cancel_type,
        "rejectReason": state.reject_reason,
        "avgPrice": price(state.average_price, "0"),
        "leavesQty": text(state.leaves_quantity),
        "leavesValue": text(state.leaves_quantity * limit) if limit is not None else "0",
        "cumExecQty": text(state.filled_quantity),
        "cumExecValue": text(state.filled_value),
        "cumExecFee": text(state.fee),
        "cumFeeDetail": {"USDT": text(state.fee)} if state.filled_quantity else {},
        "timeInForce": state.time_in_force.value,
        "orderType": state.order_type.value,
        "stopOrderType": state.stop_order_type,
        "orderIv": "",
        "marketUnit": "",
        "triggerPrice": price(state.trigger_price),
        "takeProfit": price(state.take_profit),
        "stopLoss": price(state.stop_loss),
        "tpslMode": state.tpsl_mode,
        "ocoTriggerBy": "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "tpTriggerBy": "LastPrice" if state.take_profit is not None else "",
        "slTriggerBy": "LastPrice" if state.stop_loss is not None else "",
        "triggerDirection": state.trigger_direction,
        "triggerBy": state.trigger_by,
        "lastPriceOnCreated": text(state.last_price_on_created),
        "reduceOnly": state.reduce_only,
        "closeOnTrigger": state.close_on_trigger,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "extraFees": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
        "createdTime": ms(state.created_at),
        "updatedTime": ms(state.updated_at),
    }


def order_frame(state: OrderState) -> dict[str, Any]:
    """As the stream shows it."""
    return {
        "category": "linear",
        **order(state),
        "avgPrice": price(state.average_price),
        "closedPnl": text(state.closed_pnl),
        "feeCurrency": "USDT",
        "brokerOrderPrice": "",
    }


def order_key(state: OrderState) -> tuple[int, str]:
    """Its place in a list: by creation."""
    return to_ms(state.created_at), state.order_id
