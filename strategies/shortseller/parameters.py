from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from alpha.bot import StrategyParams
from alpha.domain.ids import Symbol
from strategies.shortseller.alert_rules import AlertRules


class AssetStops(StrategyParams):
    """Distances in percent of the price (1 is 1 %)."""

    stop_percent: Decimal = Field(gt=0, lt=100)
    target_percent: Decimal = Field(gt=0, lt=100)
    trailing_percent: Decimal = Field(gt=0, lt=100)
    trailing_activation_percent: Decimal = Field(ge=0, lt=100)

    # Asked for at every bar of a position: reckoned once.
    @cached_property
    def stop_factor(self) -> Decimal:
        """The stop of a short as a multiple of its entry price."""
        return 1 + self.stop_percent / 100

    @cached_property
    def target_factor(self) -> Decimal:
        return 1 - self.target_percent / 100


class ShortSellerParams(StrategyParams):
    """The defaults are in parameters.yaml, nowhere else."""

    bar_minutes: int = Field(gt=0)
    ema_fast_bars: int = Field(gt=0)
    ema_slow_bars: int = Field(gt=0)
    warm_up_bars: int = Field(gt=0)
    crosses_per_day_limit: int = Field(gt=0)
    trigger_valid_minutes: int = Field(ge=0)
    margin_percent_per_asset: Decimal = Field(gt=0, le=100)
    margin_percent_total: Decimal = Field(gt=0, le=100)
    leverage: Decimal = Field(ge=1, le=100)
    hold_limit_hours: int = Field(gt=0)
    cooldown_minutes: int = Field(ge=0)
    early_close_minutes: int = Field(ge=0)
    unprotected_seconds: int = Field(ge=0)
    report_times_utc: tuple[time, ...]
    alert_interval_minutes: int = Field(gt=0)
    alert_move_percent: float = Field(gt=0)
    alert_move_bars: int = Field(gt=0)
    alert_volume_ratio: float = Field(gt=0)
    alert_volume_bars: int = Field(gt=0)
    alert_ema_gap_percent: float = Field(gt=0)
    assets: dict[Symbol, AssetStops] = Field(min_length=1)

    @cached_property
    def alerts(self) -> AlertRules:
        return AlertRules(
            interval=timedelta(minutes=self.alert_interval_minutes),
            move_percent=self.alert_move_percent,
            move_bars=self.alert_move_bars,
            volume_ratio=self.alert_volume_ratio,
            volume_bars=self.alert_volume_bars,
            ema_gap_percent=self.alert_ema_gap_percent,
        )

    @cached_property
    def trigger_valid(self) -> timedelta:
        return timedelta(minutes=self.trigger_valid_minutes)

    @cached_property
    def hold_limit(self) -> timedelta:
        return timedelta(hours=self.hold_limit_hours)

    @model_validator(mode="after")
    def _averages_differ(self) -> Self:
        if self.ema_fast_bars >= self.ema_slow_bars:
            raise ValueError("ema_fast_bars must be below ema_slow_bars")
        if self.warm_up_bars < self.ema_slow_bars:
            raise ValueError("warm_up_bars must be at least ema_slow_bars")
        return self
