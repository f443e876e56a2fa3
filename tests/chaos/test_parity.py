"""A bot does the same in a backtest, on the paper exchange, and on the paper exchange when it is killed meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from tests.chaos.parity import Bout, Killer, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT", "AAVEUSDT")
START = datetime(2026, 1, 20, 12, tzinfo=UTC)
"""A day begins among the bars: what is paused until the next day goes on in them."""
BARS = 330
_DECIDE_ON_HOURS = {"momentum_001", "lxalgo8_001"}
_WIDE = {
    "daily_loss_percent": 90,
    "drawdown_halt_percent": 90,
    "max_order_notional_usdt": 1_000_000,
    "max_bot_notional_usdt": 3_000_000,
    "max_bot_notional_to_equity": 20,
    "max_entries_per_hour": 200,
}
_ASSET = {"stop_percent": 0.3, "target_percent": 0.5, "trailing_percent": 0.25, "trailing_activation_percent": 0.3}
_WIDE_ASSET = {"stop_percent": 1, "target_percent": 2, "trailing_percent": 1, "trailing_activation_percent": 1}
"""Stops far enough away for time to end a position."""

BOTS: dict[str, dict[str, Any]] = {
    "shortseller": {
        "code": "ss",
        "strategy": "strategies.shortseller:ShortSeller",
        "symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT"],
        "params": {
            "ema_fast_bars": 20,
            "ema_slow_bars": 40,
            "warm_up_bars": 400,
            "crosses_per_day_limit": 200,
            "cooldown_minutes": 5,
            "early_close_minutes": 5,
            "hold_limit_hours": 1,
            "margin_percent_per_asset": 20,
            "margin_percent_total": 60,
            "assets": {**dict.fromkeys(["ETHUSDT", "SOLUSDT"], _ASSET), "BTCUSDT": _WIDE_ASSET},
            "limits": _WIDE,
        },
    },
    "momentum": {
        "code": "mo",
        "strategy": "strategies.momentum:Momentum",
        "symbols": list(SYMBOLS),
        "params": {
            "decision_hours": 1,
            "width_share_below": 1,
            "bollinger_bars": 4,
            "bollinger_deviations": 0.1,
            "width_share_bars": 5,
            "volume_bars": 3,
            "volume_ratio_above": 0.1,
            "warm_up_bars": 20,
            "trailing_percent": 0.7,
            "positions_limit": 5,
            "position_percent_limit": 90,
            "risk_percent": 50,
            "limits": {**_WIDE, "monthly_loss_percent": 90, "max_positions": 5},
        },
    },
    "lxalgo": {
        "code": "lx",
        "strategy": "strategies.lxalgo:LXAlgo",
        "symbols": "all",
        "params": {
            "profile": "pump_momentum",
            "order_notional_usdt": 20_000,
            "trade_interval_hours": 1,
            "stop_percent": 0.5,
            "target_percent": 0.8,
            "trailing_percent": 0.3,
            "trailing_activation_percent": 0.4,
            "break_even_at_percent": 0.3,
            "hold_limit_hours": 3,
            "losing_hold_limit_hours": 1,
            "daily_loss_percent": 7,
            "weekly_half_size_loss_percent": 60,
            "weekly_loss_percent": 70,
            "pump_momentum": {
                "turnover_above_usdt": 1,
                "warm_up_bars": 170,
                "gate_bars": 3,
                "gate_percent": 0.1,
                "score_rsi_above": 40,
                "score_volume_change_percent_above": -90,
                "score_deviation_percent_above": 0.01,
                "score_price_change_percent_above": -50,
                "score_needed": 2,
                "rsi_above": 40,
                "deviation_percent_above": 0.01,
            },
            "limits": {**_WIDE, "weekly_loss_percent": 90},
        },
    },
    "lxalgo8": {
        "code": "lx8",
        "strategy": "strategies.lxalgo:LXAlgo",
        "symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT"],
        "params": {
            "profile": "eight_rules",
            "order_notional_usdt": 20_000,
            "trade_interval_hours": 1,
            "stop_percent": 0.5,
            "target_percent": 0.8,
            "trailing_percent": 0.3,
            "trailing_activation_percent": 0.4,
            "break_even_at_percent": 0.3,
            "hold_limit_hours": 3,
            "losing_hold_limit_hours": 1,
            "daily_loss_percent": 50,
            "weekly_half_size_loss_percent": 60,
            "weekly_loss_percent": 70,
            "eight_rules": {
                "bar_hours": [1, 2],
                "rules_needed": 1,
                "warm_up_bars": 60,
                "minimum_bars": 30,
                "trend_ema_bars": 20,
                "slow_ema_bars": 10,
                "fast_ema_bars": 5,
            },
            "limits": {**_WIDE, "weekly_loss_percent": 90},
        },
    },
}


@pytest.fixture(scope="module")
def bout() -> Iterator[Bout]:
    folder = Path(tempfile.mkdtemp(prefix="alpha-parity-"))
    try:
        yield Bout(folder, BOTS, symbols=SYMBOLS, start=START, bars=BARS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_period_is_worth_comparing(bout: Bout):
    """Every exit that a strategy decides on or has at the exchange. The two that these bots do not meet, a position
    without a stop and liquidation, are those of test_parity_misfortune.py."""
    stops = {Reason.STOP_LOSS, Reason.TAKE_PROFIT, Reason.TRAILING_STOP}
    exits = {
        "shortseller_001": {*stops, Reason.REGIME_EXIT, Reason.TIME_EXIT, Reason.FUNDING},
        "momentum_001": {Reason.STOP_LOSS, Reason.TRAILING_STOP, Reason.MA_EXIT, Reason.FUNDING},
        # The breaker of the day closes everything, and entries go on the next day.
        "lxalgo_001": {*stops, Reason.TIME_EXIT, Reason.FLATTEN},
        "lxalgo8_001": {*stops, Reason.TIME_EXIT, Reason.FUNDING},
    }
    for bot, played in bout.backtest.items():
        reasons = Counter(fill.reason for fill in played.fills)
        assert len(played.fills) >= 100
        assert played.partial > 0
        assert exits[bot] <= set(reasons)
    entries = [fill for fill in bout.backtest[BotId("shortseller_001")].fills if fill.reason is Reason.ENTRY]
    # Sized by the equity, which is another one at every entry.
    assert len({round(fill.quantity * fill.price) for fill in entries}) > 20


def test_paper_trading_in_lockstep_does_what_the_backtest_did(bout: Bout):
    with Stage(bout.folder / "steady", bout.registry, bout.candles) as stage:
        stage.play(BARS)
        assert bout.differences(stage) == {}


def test_a_bot_that_is_killed_while_it_holds_something_does_the_same(bout: Bout):
    with Stage(bout.folder / "killed", bout.registry, bout.candles) as stage:
        killer = Killer(stage, between=30, deciding_on_hours=_DECIDE_ON_HOURS)
        stage.play(BARS, meanwhile=killer)
        assert not +killer.left
        assert killer.restarts == 2 * len(BOTS)
        assert bout.differences(stage) == {}
