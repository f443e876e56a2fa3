"""What Momentum keeps over a restart."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from alpha.bot import Protection, StrategyState
from alpha.domain.ids import Symbol
from strategies.momentum.breakout import Breakout, MarketTrend


class MomentumState(StrategyState):
    """`leaving` are symbols whose newest 4-hour close was below the mean, until they are flat; `half_size_until` ends
    with the week."""

    breakouts: dict[Symbol, Breakout] = Field(default_factory=dict)
    market: MarketTrend | None = None
    protections: dict[Symbol, Protection] = Field(default_factory=dict)
    leaving: set[Symbol] = Field(default_factory=set)
    half_size_until: datetime | None = None
    report_due: datetime | None = None
