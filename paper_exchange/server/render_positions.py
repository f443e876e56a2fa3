"""Positions on the wire (https://bybit-exchange.github.io/docs/v5/position, .../websocket/private/position)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import PositionState
from paper_exchange.server.wire_text import ms_text, number, number_or


def rest_position(position: PositionState, risk_limit_value: Decimal) -> dict[str, Any]:
    """One row of position/list; the entry price is `avgPrice` there."""
    return {**_position(position, risk_limit_value), "avgPrice": number(position.entry_price)}


def position_update(position: PositionState, risk_limit_value: Decimal) -> dict[str, Any]:
    """One row of the `position` topic; the entry price is `entryPrice` there."""
    return {
        "category": "linear",
        **_position(position, risk_limit_value),
        "entryPrice": number(position.entry_price),
    }


def position_list(rows: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    return {"category": "linear", "nextPageCursor": cursor, "list": rows}


def _position(position: PositionState, risk_limit_value: Decimal) -> dict[str, Any]:
    is_flat = position.side is None
    return {
        "positionIdx": position.position_idx,
        "riskId": 1,
        "riskLimitValue": number(risk_limit_value),
        "symbol": position.symbol,
        "side": "" if position.side is None else position.side.value,
        "size": number(position.size),
        "positionValue": number(position.value),
        "positionStatus": position.status,
        "leverage": number(position.leverage),
        "breakEvenPrice": number_or(position.break_even_price, ""),
        "markPrice": number(position.mark_price),
        "liqPrice": number_or(position.liq_price, ""),
        "positionIM": number(position.initial_margin),
        "positionIMByMp": number(position.initial_margin),
        "positionMM": number(position.maintenance_margin),
        "positionMMByMp": number(position.maintenance_margin),
        "takeProfit": number_or(position.take_profit, ""),
        "stopLoss": number_or(position.stop_loss, ""),
        "trailingStop": number_or(position.trailing_stop, "0"),
        "sessionAvgPrice": "",
        "unrealisedPnl": number(position.unrealized_pnl),
        "curRealisedPnl": number(position.current_realized_pnl),
        "cumRealisedPnl": number(position.cumulative_realized_pnl),
        "autoAddMargin": 0,
        "adlRankIndicator": 0 if is_flat else 2,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "tpslMode": "Full",
        # Bybit leaves it empty in cross margin, the only mode there is here.
        "bustPrice": "",
        "positionBalance": "0",
        "tradeMode": 0,
        "seq": position.seq,
        "openTime": 0 if position.opened_at is None else to_ms(position.opened_at),
        "createdTime": ms_text(position.created_at),
        "updatedTime": ms_text(position.updated_at),
    }
