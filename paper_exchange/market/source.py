"""What a market is to the exchange: bars that can be stepped through, and the history behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from alpha.domain.bar import Bar
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns

BASE_INTERVAL = timedelta(minutes=5)
WARM_UP_BARS = 6_000
"""An EMA over 600 bars forgets where it was seeded after ten times its length."""


class MarketUnavailable(AlphaError):
    """The market that was asked for cannot be made: no candles, too little history, no common period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStep:
    """One base interval of all symbols: what happens at its start, on its way and at its close.

    `funding` holds the rates due at `start`; `marks` the mark prices at `end`.
    """

    start: datetime
    end: datetime
    bars: Mapping[Symbol, Bar]
    marks: Mapping[Symbol, Decimal]
    funding: Mapping[Symbol, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    time: datetime
    rate: Decimal


class MarketSource(Protocol):
    """Step 0 opens at `start`; what lies before is history."""

    @property
    def description(self) -> dict[str, object]:
        """What makes this market the same one again, as plain JSON values."""

    @property
    def symbols(self) -> tuple[Symbol, ...]: ...

    @property
    def start(self) -> datetime: ...

    def step(self, index: int) -> MarketStep | None:
        """The step of this index, or None where the market ends."""

    def columns(self, symbol: Symbol) -> BarColumns:
        """All bars made so far, history first. Rows at or after the present must not be shown to anybody."""

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:
        """The rates due at instants in [first, last], oldest first."""
