"""Executions on the wire.

https://bybit-exchange.github.io/docs/v5/order/execution and .../websocket/private/execution
"""

from __future__ import annotations

from typing import Any

from paper_exchange.engine import Execution
from paper_exchange.server.wire_text import ms_text, number


def rest_execution(execution: Execution) -> dict[str, Any]:
    """One row of execution/list. `feeCurrency` is empty, as Bybit leaves it for linear: the settle coin is meant."""
    return {**_execution(execution), "feeCurrency": "", "extraFees": "", "execFeeV2": ""}


def execution_update(execution: Execution) -> dict[str, Any]:
    """One row of the `execution` topic."""
    return {
        "category": "linear",
        "isLeverage": "0",
        **_execution(execution),
        "execPnl": number(execution.exec_pnl),
        "feeCurrency": execution.fee_currency,
        "extraFees": [],
    }


def fast_execution(execution: Execution) -> dict[str, Any]:
    """One row of the `execution.fast` topic; a maker's link id is not in it, as on Bybit."""
    return {
        "category": "linear",
        "symbol": execution.symbol,
        "orderId": execution.order_id,
        "isMaker": execution.is_maker,
        "orderLinkId": "" if execution.is_maker else execution.order_link_id,
        "execId": execution.exec_id,
        "execPrice": number(execution.price),
        "execQty": number(execution.quantity),
        "side": execution.side.value,
        "execTime": ms_text(execution.exec_time),
        "seq": execution.seq,
    }


def execution_list(executions: list[Execution], cursor: str) -> dict[str, Any]:
    rows = [rest_execution(execution) for execution in executions]
    return {"category": "linear", "nextPageCursor": cursor, "list": rows}


def _execution(execution: Execution) -> dict[str, Any]:
    return {
        "symbol": execution.symbol,
        "orderId": execution.order_id,
        "orderLinkId": execution.order_link_id,
        "side": execution.side.value,
        "orderPrice": number(execution.order_price),
        "orderQty": number(execution.order_quantity),
        "leavesQty": number(execution.leaves_quantity),
        "createType": execution.create_type,
        "orderType": execution.order_type,
        "stopOrderType": execution.stop_order_type or "UNKNOWN",
        "execId": execution.exec_id,
        "execPrice": number(execution.price),
        "execQty": number(execution.quantity),
        "execValue": number(execution.value),
        "execType": execution.exec_type.value,
        "execTime": ms_text(execution.exec_time),
        "execFee": number(execution.fee),
        "feeRate": number(execution.fee_rate),
        "isMaker": execution.is_maker,
        "closedSize": number(execution.closed_size),
        "markPrice": number(execution.mark_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "marketUnit": "",
        "seq": execution.seq,
    }
