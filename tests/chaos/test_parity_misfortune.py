"""Exits that no bot wants: of positions that stay without a stop, and by liquidation. Three ways, as in test_parity.py.

The exchange takes no stop from the first three bots. The others trade with more than they have, under stops that are
further away than their liquidation, on a day on which prices fall by a tenth and more and come back a little.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from tests.chaos.parity import Bout, Killer, Stage
from tests.chaos.test_parity import BOTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STRATEGIES = Path(__file__).parents[2] / "strategies"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "ADAUSDT", "AAVEUSDT")
START = datetime(2025, 11, 3, tzinfo=UTC)
BARS = 216


def _whole(folder: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for a class that lies elsewhere than its strategy's parameters file."""
    defaults = yaml.safe_load((STRATEGIES / folder / "parameters.yaml").read_text())
    return {
        name: {**value, **changes.get(name, {})} if isinstance(value, dict) else changes.get(name, value)
        for name, value in defaults.items()
        if name != "backtest"
    }


def _stopless(bot: str, strategy: str, **more: Any) -> dict[str, Any]:
    """The bot of test_parity.py where no stop is taken."""
    asked = BOTS[bot]
    return {
        "code": f"{asked['code']}n",
        "strategy": f"tests.chaos.stopless:{strategy}",
        "symbols": asked["symbols"],
        "params": _whole(bot, {**asked["params"], **more}),
    }


def _ruined(bot: str, *, symbols: list[str], **params: Any) -> dict[str, Any]:
    asked = BOTS[bot]
    limits = {**asked["params"]["limits"], "max_bot_notional_to_equity": 90, "drawdown_halt_percent": 99.9}
    limits |= {"daily_loss_percent": 99.9, "max_order_notional_usdt": 5_000_000, "max_bot_notional_usdt": 5_000_000}
    return {
        "code": f"{asked['code']}r",
        "strategy": asked["strategy"],
        "symbols": symbols,
        "params": {**asked["params"], **params, "limits": limits},
    }


FAR_ASSET = {"stop_percent": 90, "target_percent": 90, "trailing_percent": 90, "trailing_activation_percent": 90}
BOTS_OF_MISFORTUNE: dict[str, dict[str, Any]] = {
    "shortseller_bare": _stopless("shortseller", "StoplessShortSeller"),
    "momentum_bare": _stopless("momentum", "StoplessMomentum"),
    "lxalgo_bare": _stopless("lxalgo", "StoplessLXAlgo", daily_loss_percent=50),
    "shortseller_ruined": _ruined(
        "shortseller",
        symbols=["ETHUSDT"],
        leverage=60,
        margin_percent_per_asset=90,
        margin_percent_total=90,
        hold_limit_hours=2,
        trigger_valid_minutes=1_000,
        ema_fast_bars=100,
        ema_slow_bars=500,
        warm_up_bars=1000,
        assets={"ETHUSDT": FAR_ASSET},
    ),
    "momentum_ruined": {
        **_ruined(
            "momentum",
            symbols=["SOLUSDT", "AAVEUSDT"],
            decision_hours=24,
            warm_up_bars=8,
            bollinger_bars=2,
            trailing_percent=60,
            position_percent_limit=100,
            risk_percent=100,
        ),
        "capital_usdt": 45_000,
    },
    "lxalgo_ruined": _ruined(
        "lxalgo",
        symbols=["SOLUSDT", "AAVEUSDT"],
        order_notional_usdt=47_000,
        stop_percent=80,
        target_percent=90,
        trailing_percent=80,
        trailing_activation_percent=85,
        break_even_at_percent=80,
        hold_limit_hours=24,
        losing_hold_limit_hours=24,
        daily_loss_percent=99,
        weekly_half_size_loss_percent=97,
        weekly_loss_percent=98,
    ),
}
BARE = [BotId(f"{bot}_001") for bot in BOTS_OF_MISFORTUNE if bot.endswith("_bare")]
RUINED = [BotId(f"{bot}_001") for bot in BOTS_OF_MISFORTUNE if bot.endswith("_ruined")]


@pytest.fixture(scope="module")
def bout() -> Iterator[Bout]:
    folder = Path(tempfile.mkdtemp(prefix="alpha-parity-"))
    try:
        yield Bout(folder, BOTS_OF_MISFORTUNE, symbols=SYMBOLS, start=START, bars=BARS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_day_is_worth_comparing(bout: Bout):
    for bot in BARE:
        played = bout.backtest[bot]
        reasons = Counter(fill.reason for fill in played.fills)
        assert len(played.fills) >= 100
        assert played.partial > 0
        assert reasons[Reason.FLATTEN] >= 40
    for bot in RUINED:
        fills = bout.backtest[bot].fills
        assert fills[-1].reason is Reason.LIQUIDATION
        assert bout.backtest[bot].trades[-1].exit_reason is Reason.LIQUIDATION


def test_paper_trading_in_lockstep_does_what_the_backtest_did(bout: Bout):
    with Stage(bout.folder / "steady", bout.registry, bout.candles) as stage:
        stage.play(BARS)
        assert bout.differences(stage) == {}


def test_a_bot_that_is_killed_while_it_holds_something_does_the_same(bout: Bout):
    with Stage(bout.folder / "killed", bout.registry, bout.candles) as stage:
        killer = Killer(stage, between=15, together=3)
        stage.play(BARS, meanwhile=killer)
        assert not +killer.left
        assert killer.restarts == 2 * len(BOTS_OF_MISFORTUNE)
        assert bout.differences(stage) == {}
