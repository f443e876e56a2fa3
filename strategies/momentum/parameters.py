from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from alpha.bot import StrategyParams
from alpha.domain.ids import Symbol


class MomentumParams(StrategyParams):
    """The defaults are in parameters.yaml, nowhere else. Percents are percents (1 is 1 %), shares are 0 to 1."""

    universe: tuple[Symbol, ...] = Field(min_length=1)
    bar_minutes: int = Field(gt=0)
    decision_hours: int = Field(gt=0, le=24)
    warm_up_bars: int = Field(gt=0)
    bollinger_bars: int = Field(gt=1)
    bollinger_deviations: float = Field(gt=0)
    width_share_bars: int = Field(gt=1)
    width_share_below: float = Field(gt=0, le=1)
    volume_bars: int = Field(gt=0)
    volume_ratio_above: float = Field(gt=0)
    btc_filter: bool
    btc_mean_bars: int = Field(gt=0)
    btc_adx_bars: int = Field(gt=1)
    btc_adx_above: float = Field(ge=0, lt=100)
    rank_volume_ratio: float = Field(gt=0)
    rank_distance_percent: float = Field(gt=0)
    risk_percent: Decimal = Field(gt=0, le=100)
    position_percent_limit: Decimal = Field(gt=0, le=100)
    positions_limit: int = Field(gt=0)
    trailing_percent: Decimal = Field(gt=0, lt=100)
    unprotected_seconds: int = Field(ge=0)
    half_size_week_loss_percent: Decimal = Field(gt=0, lt=100)
    report_times_utc: tuple[time, ...]

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        needed = max(self.bollinger_bars + self.width_share_bars - 1, self.volume_bars)
        if self.warm_up_bars < needed:
            raise ValueError(f"warm_up_bars must be at least {needed}: widths over width_share_bars need as many")
        return self

    @property
    def history_bars(self) -> int:
        """Bars after which a longer history would not change a decision; Wilder's averages of the BTC filter forget
        their beginning within 20 lengths."""
        if not self.btc_filter:
            return self.warm_up_bars
        return max(self.warm_up_bars, self.btc_mean_bars, 20 * self.btc_adx_bars)
