"""What ShortSeller keeps over a restart."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from alpha.bot import Holding, Protection, StrategyState
from alpha.domain.ids import Symbol
from strategies.shortseller.trend import Trend
from strategies.shortseller.watch import MarketWatch


class ShortSellerState(StrategyState):
    """Per asset; `margin_sent` is the margin of an entry with the end of the bar it was decided on."""

    trends: dict[Symbol, Trend] = Field(default_factory=dict)
    holdings: dict[Symbol, Holding] = Field(default_factory=dict)
    watches: dict[Symbol, MarketWatch] = Field(default_factory=dict)
    protections: dict[Symbol, Protection] = Field(default_factory=dict)
    cooldown_until: dict[Symbol, datetime] = Field(default_factory=dict)
    margin_sent: dict[Symbol, tuple[datetime, Decimal]] = Field(default_factory=dict)
    report_due: datetime | None = None
