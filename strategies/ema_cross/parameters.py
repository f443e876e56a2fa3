from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from alpha.bot import StrategyParams


class EmaCrossParams(StrategyParams):
    bar_minutes: int = Field(gt=0)
    fast_bars: int = Field(gt=0)
    slow_bars: int = Field(gt=0)
    size_percent: Decimal = Field(gt=0, le=100)
    stop_percent: Decimal | None = Field(gt=0, lt=100)
