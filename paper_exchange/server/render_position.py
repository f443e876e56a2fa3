"""Positions (https://bybit-exchange.github.io/docs/v5/position, .../websocket/private/position)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import PositionState
from paper_exchange.server.render import ms, price, text


def position(state: PositionState, risk_limit: Decimal) -> dict[str, Any]:
    """As the REST list shows it."""
    return {
        **_common(state, risk_limit),
        "avgPrice": text(state.entry_price),
        "openTime": to_ms(state.opened_at) if state.opened_at else 0,
    }


def position_frame(state: PositionState, risk_limit: Decimal) -> dict[str, Any]:
    """As the stream shows it: the entry price has another name there."""
    return {
        "category": "linear",
        **_common(state, risk_limit),
        "entryPrice": text(state.entry_price),
        "openTime": to_ms(state.opened_at) if state.opened_at else 0,
    }


def _common(state: PositionState, risk_limit: Decimal) -> dict[str, Any]:
    return {
        "positionIdx": state.position_idx,
        "riskId": 1,
        "riskLimitValue": text(risk_limit),
        "symbol": state.symbol,
        "side": state.side.value if state.side else "",
        "size": text(state.size),
        "positionValue": text(state.value),
        "positionStatus": state.status,
        "leverage": text(state.leverage),
        "breakEvenPrice": price(state.break_even_price),
        "markPrice": text(state.mark_price),
        "liqPrice": price(state.liq_price),
        "positionIM": text(state.initial_margin),
        "positionIMByMp": text(state.initial_margin),
        "positionMM": text(state.maintenance_margin),
        "positionMMByMp": text(state.maintenance_margin),
        "takeProfit": price(state.take_profit),
        "stopLoss": price(state.stop_loss),
        "trailingStop": price(state.trailing_stop, "0"),
        "sessionAvgPrice": "",
        "unrealisedPnl": text(state.unrealized_pnl),
        "curRealisedPnl": text(state.current_realized_pnl),
        "cumRealisedPnl": text(state.cumulative_realized_pnl),
        "autoAddMargin": 0,
        "adlRankIndicator": 2 if state.side else 0,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "tpslMode": "Full",
        "bustPrice": price(state.bust_price),
        "positionBalance": text(state.initial_margin),
        "tradeMode": 0,
        "seq": state.seq,
        "createdTime": ms(state.created_at),
        "updatedTime": ms(state.updated_at),
    }
