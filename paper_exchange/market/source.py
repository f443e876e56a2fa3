"""What a market is to the exchange: bars that can be stepped through, and the history behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

from alpha.domain.bar import Bar
from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.domain.side import Side
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole

BASE_INTERVAL = timedelta(minutes=5)
WARM_UP_BARS = 6_000
"""An EMA over 600 bars forgets where it was seeded after ten times its length."""


class MarketUnavailable(AlphaError):
    """The market that was asked for cannot be made: no candles, too little history, no common period."""


class MarketTrade(NamedTuple):
    """One trade of the market. `side` is the taker's."""

    time: datetime
    side: Side
    price: Decimal
    quantity: Decimal
    trade_id: str
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStep:
    """One move of the market in all symbols that moved: what happens at its start, on its way and at its close.

    `funding` holds the rates due at `start`; `marks` and `indexes` the mark and index prices at `end`. `trades` are
    those that the move was made of, oldest first, where they are known; of the others the path of the bar tells. The
    `volume` of a bar is what the book around it is made from; in a market of short steps that is the volume of the last
    five minutes, because a book does not vanish with every quiet second.
    """

    start: datetime
    end: datetime
    bars: Mapping[Symbol, Bar]
    marks: Mapping[Symbol, Decimal]
    funding: Mapping[Symbol, Decimal]
    indexes: Mapping[Symbol, Decimal] | None = None
    trades: Mapping[Symbol, Sequence[MarketTrade]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    time: datetime
    rate: Decimal


class MarketSource(Protocol):
    """Step 0 opens at `start`; what lies before is history. Steps are asked for in order, and again from 0 by an
    exchange that becomes what it was.
    """

    @property
    def description(self) -> dict[str, object]:
        """What makes this market the same one again, as plain JSON values."""

    @property
    def symbols(self) -> tuple[Symbol, ...]: ...

    @property
    def start(self) -> datetime: ...

    @property
    def step_interval(self) -> timedelta:
        """Market time between two steps, by which the market is paced."""

    def step(self, index: int) -> MarketStep | None:
        """The step of this index, or None where the market ends."""

    def columns(self, symbol: Symbol) -> BarColumns:
        """All bars made so far, history first. Rows at or after the present must not be shown to anybody."""

    def forming(self, symbol: Symbol) -> Whole | None:
        """What has happened since the last row was closed, where steps are shorter than rows. None for nothing."""

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:
        """The rates due at instants in [first, last], oldest first."""
