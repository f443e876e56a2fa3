"""Executions (https://bybit-exchange.github.io/docs/v5/order/execution, .../websocket/private/execution)."""

from __future__ import annotations

from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.server.render import ms, text


def execution(made: Execution) -> dict[str, Any]:
    """As the REST list shows it, which does not tell the P&L."""
    return {
        "symbol": made.symbol,
        "orderId": made.order_id,
        "orderLinkId": made.order_link_id,
        "side": made.side.value,
        "orderPrice": text(made.order_price),
        "orderQty": text(made.order_quantity),
        "leavesQty": text(made.leaves_quantity),
        "createType": made.create_type,
        "orderType": made.order_type,
        "stopOrderType": made.stop_order_type or "UNKNOWN",
        "execId": made.exec_id,
        "execPrice": text(made.price),
        "execQty": text(made.quantity),
        "execValue": text(made.value),
        "execType": made.exec_type.value,
        "execTime": ms(made.exec_time),
        "execFee": text(made.fee),
        "feeRate": text(made.fee_rate),
        "feeCurrency": "",
        "isMaker": made.is_maker,
        "closedSize": text(made.closed_size),
        "markPrice": text(made.mark_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "marketUnit": "",
        "extraFees": "",
        "execFeeV2": "",
        "seq": made.seq,
    }


def execution_frame(made: Execution) -> dict[str, Any]:
    """As the stream shows it."""
    row = execution(made)
    del row["execFeeV2"]
    return {
        "category": "linear",
        "isLeverage": "0",
        **row,
        "execPnl": text(made.exec_pnl),
        "feeCurrency": made.fee_currency,
        "extraFees": [],
    }


def execution_key(made: Execution) -> tuple[int, str]:
    """Its place in the list: by time. Within one millisecond Bybit does not sort, and we sort by id."""
    return to_ms(made.exec_time), made.exec_id
