"""Every number of the rules is the default of a parameter, and what cannot be meant is refused."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Any

import pytest

from alpha.bot import Strategy
from alpha.bot.errors import BotError
from alpha.bot.loading import load_params, split_params
from strategies.lxalgo import LXAlgo
from strategies.momentum import Momentum
from strategies.shortseller import ShortSeller

Kind = type[Strategy[Any, Any]]

RULES: dict[Kind, dict[str, Any]] = {
    ShortSeller: {
        "bar_minutes": 5,
        # 20 hours and 50 hours; ten times the longer one
        "ema_fast_bars": 240,
        "ema_slow_bars": 600,
        "warm_up_bars": 6000,
        "crosses_per_day_limit": 12,
        "trigger_valid_minutes": 15,
        "margin_percent_per_asset": 7,
        "margin_percent_total": 21,
        "leverage": 10,
        "hold_limit_hours": 24,
        "cooldown_minutes": 60,
        "early_close_minutes": 60,
        "unprotected_seconds": 30,
        "report_times_utc": (time(0), time(8), time(14, 30)),
        "alert_interval_minutes": 15,
        "alert_move_percent": 2,
        "alert_move_bars": 3,
        "alert_volume_ratio": 2,
        "alert_volume_bars": 4,
        "alert_ema_gap_percent": 0.5,
        "assets.BTCUSDT.stop_percent": 1,
        "assets.BTCUSDT.target_percent": 3,
        "assets.BTCUSDT.trailing_percent": 1,
        "assets.BTCUSDT.trailing_activation_percent": 2,
        "assets.ETHUSDT.stop_percent": Decimal("1.5"),
        "assets.ETHUSDT.target_percent": Decimal("4.5"),
        "assets.ETHUSDT.trailing_percent": 2,
        "assets.ETHUSDT.trailing_activation_percent": 2,
        "assets.SOLUSDT.stop_percent": Decimal("1.5"),
        "assets.SOLUSDT.target_percent": 6,
        "assets.SOLUSDT.trailing_percent": 2,
        "assets.SOLUSDT.trailing_activation_percent": 3,
    },
    Momentum: {
        "bar_minutes": 5,
        "decision_hours": 4,
        "warm_up_bars": 140,
        "bollinger_bars": 20,
        "bollinger_deviations": 2,
        "width_share_bars": 90,
        "width_share_below": 0.35,
        "volume_bars": 20,
        "volume_ratio_above": 2,
        "btc_filter": False,
        "btc_mean_bars": 200,
        "btc_adx_bars": 14,
        "btc_adx_above": 25,
        "rank_volume_ratio": 5,
        "rank_distance_percent": 10,
        "risk_percent": 5,
        "position_percent_limit": 20,
        "positions_limit": 3,
        "trailing_percent": 10,
        "unprotected_seconds": 30,
        "half_size_week_loss_percent": 8,
        "report_times_utc": (time(20),),
    },
    LXAlgo: {
        "profile": "eight_rules",
        "bar_minutes": 5,
        "order_notional_usdt": 200,
        "positions_limit": 20,
        "trade_interval_hours": 4,
        "stop_percent": 8,
        "target_percent": 30,
        "trailing_percent": 10,
        "trailing_activation_percent": 20,
        "break_even_at_percent": 8,
        "break_even_plus_percent": Decimal("0.02"),
        "unprotected_seconds": 30,
        "hold_limit_hours": 72,
        "losing_hold_limit_hours": 8,
        "daily_loss_percent": 2,
        "weekly_half_size_loss_percent": 4,
        "weekly_recovered_share": Decimal("0.5"),
        "weekly_loss_percent": 6,
        "eight_rules.universe": ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "ADAUSDT"),
        "eight_rules.bar_hours": (1, 4),
        "eight_rules.rules_needed": 5,
        "eight_rules.warm_up_bars": 2000,
        "eight_rules.minimum_bars": 500,
        "eight_rules.trend_ema_bars": 200,
        "eight_rules.rsi_bars": 14,
        "eight_rules.rsi_from": 50,
        "eight_rules.rsi_to": 70,
        "eight_rules.volume_bars": 20,
        "eight_rules.volume_ratio_above": 1.5,
        "eight_rules.macd_fast_bars": 12,
        "eight_rules.macd_slow_bars": 26,
        "eight_rules.macd_signal_bars": 9,
        "eight_rules.range_bars": 20,
        "eight_rules.atr_bars": 14,
        "eight_rules.support_atr": 1.5,
        "eight_rules.fast_ema_bars": 20,
        "eight_rules.slow_ema_bars": 50,
        "eight_rules.change_bars": 10,
        "eight_rules.swing_bars": 10,
        "pump_momentum.turnover_above_usdt": 10_000_000,
        "pump_momentum.refresh_hours": 4,
        "pump_momentum.warm_up_bars": 1700,
        "pump_momentum.minimum_bars": 150,
        "pump_momentum.gate_bars": 12,
        "pump_momentum.gate_percent": 8,
        "pump_momentum.rsi_bars": 84,
        "pump_momentum.score_rsi_above": 60,
        "pump_momentum.window_bars": 144,
        "pump_momentum.score_volume_change_percent_above": 50,
        "pump_momentum.score_range_percent_below": 3,
        "pump_momentum.score_deviation_percent_above": 0.5,
        "pump_momentum.score_price_change_percent_above": 5,
        "pump_momentum.score_needed": 2,
        "pump_momentum.range_percent_below": 4,
        "pump_momentum.rsi_above": 55,
        "pump_momentum.deviation_percent_above": 0.8,
    },
}
LIMITS: dict[Kind, dict[str, Any]] = {
    ShortSeller: {
        "daily_loss_percent": 5,
        "drawdown_halt_percent": 20,
        "max_bot_notional_to_equity": Decimal("2.1"),
        "max_order_notional_usdt": 70_000,
        "max_bot_notional_usdt": 210_000,
    },
    Momentum: {
        "daily_loss_percent": 3,
        "monthly_loss_percent": 15,
        "drawdown_halt_percent": 20,
        "max_positions": 3,
        "max_order_notional_usdt": 20_000,
        "max_bot_notional_usdt": 75_000,
    },
    LXAlgo: {
        "daily_loss_percent": 2,
        "weekly_loss_percent": 6,
        "max_positions": 20,
        "max_order_notional_usdt": 400,
        "max_bot_notional_usdt": 5_200,
    },
}
MAY_BE_NEGATIVE = {
    "pump_momentum.score_volume_change_percent_above",
    "pump_momentum.score_price_change_percent_above",
}
"""Changes of the market: a fall may be asked for as well."""


def flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Parameters by their names, `.` between the levels, as --param takes them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def nested(name: str, value: Any) -> dict[str, Any]:
    for level in reversed(name.split(".")):
        value = {level: value}
    return value  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", RULES)
def test_the_defaults_are_the_numbers_of_the_rules(kind: Kind):
    found = flat(load_params(kind, {}).model_dump())
    found.pop("universe", None)  # Momentum's is the trader's own list
    assert found == RULES[kind]


@pytest.mark.parametrize("kind", LIMITS)
def test_the_limits_are_those_of_the_rules(kind: Kind):
    _, limits = split_params(kind, {})
    assert {name: getattr(limits, name) for name in limits.model_fields_set} == LIMITS[kind]


NUMBERS = [
    (kind, name)
    for kind, rules in RULES.items()
    for name, value in rules.items()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
]


@pytest.mark.parametrize(("kind", "name"), [pair for pair in NUMBERS if pair[1] not in MAY_BE_NEGATIVE])
def test_a_number_below_zero_is_refused_by_its_name(kind: Kind, name: str):
    with pytest.raises(BotError, match=rf"parameters of {kind.__name__}: {name}: ") as refused:
        load_params(kind, nested(name, -1))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_a_word_in_place_of_a_number_is_refused_by_its_name(kind: Kind, name: str):
    with pytest.raises(BotError, match=rf"parameters of {kind.__name__}: {name}: "):
        load_params(kind, nested(name, "many"))


@pytest.mark.parametrize(
    ("kind", "name", "highest", "too_high"),
    [
        (ShortSeller, "leverage", 100, 101),
        (ShortSeller, "margin_percent_per_asset", 100, 101),
        (ShortSeller, "margin_percent_total", 100, 101),
        *((ShortSeller, f"assets.BTCUSDT.{each}", 99, 100) for each in ("stop_percent", "target_percent")),
        *((ShortSeller, f"assets.BTCUSDT.trailing{each}_percent", 99, 100) for each in ("", "_activation")),
        (Momentum, "decision_hours", 24, 25),
        (Momentum, "width_share_below", 1, 1.01),
        (Momentum, "btc_adx_above", 99, 100),
        *((Momentum, each, 100, 101) for each in ("risk_percent", "position_percent_limit")),
        *((Momentum, each, 99, 100) for each in ("trailing_percent", "half_size_week_loss_percent")),
        *((LXAlgo, each, 99, 100) for each in ("stop_percent", "trailing_percent", "daily_loss_percent")),
        (LXAlgo, "weekly_loss_percent", 99, 100),
        (LXAlgo, "weekly_recovered_share", 1, 2),
        (LXAlgo, "eight_rules.rules_needed", 8, 9),
        (LXAlgo, "eight_rules.rsi_to", 100, 101),
        (LXAlgo, "pump_momentum.refresh_hours", 24, 25),
        (LXAlgo, "pump_momentum.score_needed", 5, 6),
        *((LXAlgo, f"pump_momentum.{each}", 100, 101) for each in ("score_rsi_above", "rsi_above")),
    ],
)
def test_a_number_that_is_too_high_is_refused_by_its_name(kind: Kind, name: str, highest: Any, too_high: Any):
    load_params(kind, nested(name, highest))
    with pytest.raises(BotError, match=f"{name}: "):
        load_params(kind, nested(name, too_high))


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        (ShortSeller, {"ema_fast_bars": 600}, "ema_fast_bars must be below ema_slow_bars"),
        (ShortSeller, {"warm_up_bars": 599}, "warm_up_bars must be at least ema_slow_bars"),
        (ShortSeller, {"assets": {"XRPUSDT": {"stop_percent": 1}}}, "assets.XRPUSDT.target_percent: Field required"),
        (Momentum, {"warm_up_bars": 108}, "warm_up_bars must be at least 109"),
        (Momentum, {"universe": []}, "universe"),
        (LXAlgo, {"pump_momentum": {"gait_percent": 8}}, "gait_percent: there is no parameter of this name"),
    ],
)
def test_what_does_not_fit_together_is_refused(kind: Kind, changes: dict[str, Any], says: str):
    with pytest.raises(BotError, match=says):
        load_params(kind, changes)
