from __future__ import annotations

from decimal import Decimal
from enum import StrEnum, unique
from typing import Self

from pydantic import Field, model_validator

from alpha.bot import StrategyParams
from alpha.domain.ids import Symbol


@unique
class Profile(StrEnum):
    EIGHT_RULES = "eight_rules"
    PUMP_MOMENTUM = "pump_momentum"


class EightRulesParams(StrategyParams):
    universe: tuple[Symbol, ...] = Field(min_length=1)
    bar_hours: tuple[int, ...] = Field(min_length=1)
    rules_needed: int = Field(ge=1, le=8)
    warm_up_bars: int = Field(gt=0)
    minimum_bars: int = Field(gt=0)
    trend_ema_bars: int = Field(gt=0)
    rsi_bars: int = Field(gt=0)
    rsi_from: float = Field(ge=0, le=100)
    rsi_to: float = Field(ge=0, le=100)
    volume_bars: int = Field(gt=0)
    volume_ratio_above: float = Field(gt=0)
    macd_fast_bars: int = Field(gt=0)
    macd_slow_bars: int = Field(gt=0)
    macd_signal_bars: int = Field(gt=0)
    range_bars: int = Field(gt=0)
    atr_bars: int = Field(gt=0)
    support_atr: float = Field(gt=0)
    fast_ema_bars: int = Field(gt=0)
    slow_ema_bars: int = Field(gt=0)
    change_bars: int = Field(gt=0)
    swing_bars: int = Field(gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.bar_hours) != sorted(set(self.bar_hours)):
            raise ValueError("bar_hours must be from the shortest to the longest, each once")
        if self.rsi_from >= self.rsi_to:
            raise ValueError("rsi_from must be below rsi_to")
        if self.fast_ema_bars >= self.slow_ema_bars or self.macd_fast_bars >= self.macd_slow_bars:
            raise ValueError("the fast average of each pair must be shorter than the slow one")
        windows = (self.range_bars + 1, 2 * self.swing_bars, self.volume_bars, self.change_bars + 1)
        if not max(windows) <= self.minimum_bars <= self.warm_up_bars:
            raise ValueError(f"minimum_bars must be from {max(windows)} to warm_up_bars")
        return self


class PumpMomentumParams(StrategyParams):
    """Percents are percents: 0.5 is 0.5 %."""

    turnover_above_usdt: float = Field(ge=0)
    refresh_hours: int = Field(gt=0, le=24)
    warm_up_bars: int = Field(gt=0)
    minimum_bars: int = Field(gt=0)
    gate_bars: int = Field(gt=0)
    gate_percent: float = Field(gt=0)
    rsi_bars: int = Field(gt=0)
    score_rsi_above: float = Field(ge=0, le=100)
    window_bars: int = Field(gt=1)
    score_volume_change_percent_above: float
    score_range_percent_below: float = Field(gt=0)
    score_deviation_percent_above: float = Field(ge=0)
    score_price_change_percent_above: float
    score_needed: int = Field(ge=0, le=5)
    range_percent_below: float = Field(gt=0)
    rsi_above: float = Field(ge=0, le=100)
    deviation_percent_above: float = Field(ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        needed = max(self.window_bars, self.gate_bars, self.rsi_bars) + 1
        if not needed <= self.minimum_bars <= self.warm_up_bars:
            raise ValueError(f"minimum_bars must be from {needed} to warm_up_bars")
        return self


class LXAlgoParams(StrategyParams):
    """The defaults are in parameters.yaml, nowhere else. Percents are percents (1 is 1 %)."""

    profile: Profile
    bar_minutes: int = Field(gt=0)
    order_notional_usdt: Decimal = Field(gt=0)
    positions_limit: int = Field(gt=0)
    trade_interval_hours: int = Field(ge=0)
    stop_percent: Decimal = Field(gt=0, lt=100)
    target_percent: Decimal = Field(gt=0)
    trailing_percent: Decimal = Field(gt=0, lt=100)
    trailing_activation_percent: Decimal = Field(ge=0)
    break_even_at_percent: Decimal = Field(gt=0)
    break_even_plus_percent: Decimal = Field(ge=0)
    unprotected_seconds: int = Field(ge=0)
    hold_limit_hours: int = Field(gt=0)
    losing_hold_limit_hours: int = Field(gt=0)
    daily_loss_percent: Decimal = Field(gt=0, lt=100)
    weekly_half_size_loss_percent: Decimal = Field(gt=0, lt=100)
    weekly_recovered_share: Decimal = Field(gt=0, le=1)
    weekly_loss_percent: Decimal = Field(gt=0, lt=100)
    eight_rules: EightRulesParams
    pump_momentum: PumpMomentumParams

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.break_even_plus_percent >= self.break_even_at_percent:
            raise ValueError("break_even_plus_percent must be below break_even_at_percent")
        if self.weekly_half_size_loss_percent >= self.weekly_loss_percent:
            raise ValueError("weekly_half_size_loss_percent must be below weekly_loss_percent")
        return self
