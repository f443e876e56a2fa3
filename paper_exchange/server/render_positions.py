"""Positions on the wire (https://bybit-exchange.github.io/docs/v5/position, .../websocket/private/position)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpha.domain.clock import to_ms
from alpha.domain.fill import ExecType
from paper_exchange.engine import PositionState
from paper_exchange.engine.closed_pnl import ClosedPnl
from paper_exchange.server.wire_text import bound, ms_text, number, number_or

_CLOSED_EXEC_TYPES = {ExecType.ADL: ExecType.TRADE.value}
"""Bybit's table of closed-pnl knows no deleveraging, so a strict client would not either."""
_PRICE_PLACES = Decimal("0.00000001")
"""An average seldom comes out even; Bybit gives eight places."""


def rest_position(position: PositionState) -> dict[str, Any]:
    """One row of position/list; the entry price is `avgPrice` there."""
    return {**_position(position), "avgPrice": number(position.entry_price)}


def position_update(position: PositionState) -> dict[str, Any]:
    """One row of the `position` topic; the entry price is `entryPrice` there."""
    return {
        "category": "linear",
        **_position(position),
        "entryPrice": number(position.entry_price),
    }


def position_list(rows: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    return {"category": "linear", "nextPageCursor": cursor, "list": rows}


def closed_pnl_row(row: ClosedPnl) -> dict[str, Any]:
    """One row of position/closed-pnl; the side is that of the closing order."""
    return {
        "symbol": row.symbol,
        "orderId": row.order_id,
        "side": row.side.value,
        "qty": number(row.quantity),
        "orderPrice": number(row.order_price),
        "orderType": row.order_type,
        "execType": _CLOSED_EXEC_TYPES.get(row.exec_type, row.exec_type.value),
        "closedSize": number(row.closed_size),
        "cumEntryValue": number(row.entry_value),
        "avgEntryPrice": number(row.average_entry_price.quantize(_PRICE_PLACES)),
        "cumExitValue": number(row.exit_value),
        "avgExitPrice": number(row.average_exit_price.quantize(_PRICE_PLACES)),
        "closedPnl": number(row.closed_pnl),
        "fillCount": str(row.fill_count),
        "leverage": number(row.leverage),
        "openFee": number(row.open_fee),
        "closeFee": number(row.close_fee),
        "createdTime": ms_text(row.created_at),
        "updatedTime": ms_text(row.updated_at),
    }


def _position(position: PositionState) -> dict[str, Any]:
    side = position.side
    if side is None:
        initial = maintenance = "0"
    else:
        initial, maintenance = number(position.initial_margin), number(position.maintenance_margin)
    isolated = position.is_isolated and side is not None
    tier = position.tier
    return {
        "positionIdx": position.position_idx,
        "riskId": tier.id,
        "riskLimitValue": bound(tier.limit),
        "symbol": position.symbol,
        "side": "" if side is None else side.value,
        "size": number(position.size),
        "positionValue": number(position.value),
        "positionStatus": position.status,
        "leverage": number(position.leverage),
        "breakEvenPrice": number_or(position.break_even_price, ""),
        "markPrice": number(position.mark_price),
        "liqPrice": number_or(position.liq_price, ""),
        "positionIM": initial,
        "positionIMByMp": initial,
        "positionMM": maintenance,
        "positionMMByMp": maintenance,
        "takeProfit": number_or(position.take_profit, ""),
        "stopLoss": number_or(position.stop_loss, ""),
        "trailingStop": number_or(position.trailing_stop, "0"),
        "sessionAvgPrice": "",
        "unrealisedPnl": number(position.unrealized_pnl),
        "curRealisedPnl": number(position.current_realized_pnl),
        "cumRealisedPnl": number(position.cumulative_realized_pnl),
        "autoAddMargin": 0,
        "adlRankIndicator": position.adl_rank,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "tpslMode": "Full",
        # Bybit leaves it empty in cross margin, where the whole account stands behind the position.
        "bustPrice": number_or(position.bust_price, "") if isolated else "",
        "positionBalance": number_or(position.own_margin, "0") if isolated else "0",
        # The margin mode is the account's since unified accounts 2.0, so this stays 0.
        "tradeMode": 0,
        "seq": position.seq,
        "openTime": 0 if position.opened_at is None else to_ms(position.opened_at),
        "createdTime": ms_text(position.created_at),
        "updatedTime": ms_text(position.updated_at),
    }
