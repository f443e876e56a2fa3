"""What holds for every strategy of this project: traps that earlier implementations of such rules fell into."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from alpha.bot import Strategy, StrategyParams
from alpha.bot.loading import load_params
from alpha.bot.testing import BTC, MemoryBroker, a_bar, a_strategy
from alpha.domain.bar import Bar
from strategies.canary import Canary
from strategies.ema_cross import EmaCross
from strategies.lxalgo import LXAlgo
from strategies.momentum import Momentum
from strategies.shortseller import ShortSeller

NOON = datetime(2025, 10, 14, 12, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
ALL: list[type[Strategy[Any, Any]]] = [Canary, EmaCross, LXAlgo, Momentum, ShortSeller]
EASY: dict[type[Strategy[Any, Any]], dict[str, Any]] = {
    Canary: {},
    EmaCross: {},
    LXAlgo: {
        "profile": "pump_momentum",
        "trade_interval_hours": 0,
        "pump_momentum": {
            "turnover_above_usdt": 0,
            "gate_percent": 0.5,
            "gate_bars": 3,
            "rsi_bars": 5,
            "window_bars": 10,
            "minimum_bars": 12,
            "score_needed": 0,
            "range_percent_below": 50,
        },
    },
    Momentum: {"warm_up_bars": 109},
    ShortSeller: {"ema_fast_bars": 5, "ema_slow_bars": 12, "warm_up_bars": 20},
}
"""Parameters with which a strategy enters on a few hundred bars."""
UNITS = {
    *("bars", "minutes", "hours", "seconds", "percent", "usdt", "utc"),
    # numbers of things, and multiples and shares of something named
    *("limit", "needed", "multiple", "ratio", "share", "leverage", "atr", "deviations"),
    # bounds on a scale of their own: RSI and ADX from 0 to 100, shares from 0 to 1
    *("rsi", "adx", "width"),
}


def numbers(model: type[BaseModel], values: BaseModel) -> list[str]:
    """Names of every parameter that is a number, those of nested models included."""
    found = []
    for name in model.model_fields:
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            found += numbers(type(value), value)
        elif not isinstance(value, bool | str | dict | tuple):
            found.append(name)
    return found


@pytest.mark.parametrize("kind", ALL)
def test_numbers_have_their_unit_in_their_name(kind: type[Strategy[Any, Any]]) -> None:
    params = load_params(kind, {})
    assert isinstance(params, StrategyParams)
    named = numbers(type(params), params)
    assert named
    assert [name for name in named if not UNITS & set(re.split("_", name))] == []


def walk(count: int) -> list[Bar]:
    """Bars that rise and fall by a percent and more."""
    closes = [100 + 6 * ((n * n) % 17) / 17 + n % 5 for n in range(count)]
    return [a_bar(close, end=NOON + n * FIVE_MINUTES, volume=5 + n % 7) for n, close in enumerate(closes)]


def after(kind: type[Strategy[Any, Any]], bars: list[Bar]) -> tuple[Strategy[Any, Any], MemoryBroker]:
    """The strategy once it has seen and decided on the bars, always flat."""
    broker = MemoryBroker()
    strategy = a_strategy(kind, broker, **EASY[kind])
    for bar in bars:
        broker.now = bar.end
        strategy.observe(bar)
        strategy.on_round([bar])
    return strategy, broker


@pytest.mark.parametrize("kind", ALL)
def test_stopping_a_bot_sells_nothing_and_moves_no_stop(kind: type[Strategy[Any, Any]]) -> None:
    strategy, broker = after(kind, walk(30))
    broker.hold(BTC, "-1" if kind is ShortSeller else "1", "100")
    before = (len(broker.sent), len(broker.stop_losses), len(broker.trailing))
    strategy.on_stop()
    assert (len(broker.sent), len(broker.stop_losses), len(broker.trailing)) == before


@pytest.mark.parametrize("kind", ALL)
def test_an_unknown_position_is_never_entered(kind: type[Strategy[Any, Any]]) -> None:
    broker = MemoryBroker(positions={BTC: None})
    strategy = a_strategy(kind, broker, **EASY[kind])
    for bar in walk(200):
        strategy.observe(bar)
        strategy.on_round([bar])
    assert broker.sent == []


@pytest.mark.parametrize("kind", [Canary, EmaCross, LXAlgo, ShortSeller])
def test_the_same_bars_give_the_same_orders_and_later_bars_change_none(kind: type[Strategy[Any, Any]]) -> None:
    _, whole = after(kind, walk(300))
    for count in (120, 200, 299):
        _, part = after(kind, walk(count))
        assert whole.sent[: len(part.sent)] == part.sent
    assert whole.sent


@pytest.mark.parametrize("kind", [EmaCross, LXAlgo, Momentum, ShortSeller])
def test_nothing_is_decided_on_a_handful_of_bars(kind: type[Strategy[Any, Any]]) -> None:
    strategy = a_strategy(kind, MemoryBroker())
    assert strategy.history >= strategy.minimum_history > 100 * FIVE_MINUTES
