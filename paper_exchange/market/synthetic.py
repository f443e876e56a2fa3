"""A made-up market that looks like one: volatility regimes, fat tails, one common factor, trends with an end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.funding_times import funding_instants
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.source import BASE_INTERVAL, WARM_UP_BARS, FundingRate, MarketStep

SYNTHETIC_START = datetime(2026, 1, 5, tzinfo=UTC)
"""Market time of step 0. Fixed, so that a seed always means the same market."""

_CORRELATION = 0.85
_LARGEST_SHOCK = 8.0
_REGIMES = (0.65, 1.0, 1.7)
_REGIME_CHANGE = 1 / 180
_ANCHOR = 2 / 601
_PULL_HOME = 0.15
_LEG_SOFTNESS = 12
_RATE_PLACES = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class _Leg:
    """A stretch in which all symbols drift the same way. `strength` is in standard deviations of a typical leg."""

    length: int
    direction: int
    strength: float


@dataclass(slots=True)
class _Path:
    """Where one symbol is. Log prices; `anchor` is their slow average, around which legs swing."""

    columns: BarColumns
    draw: random.Random
    home: float
    price: float
    anchor: float
    target: float
    volatility: float
    daily_turnover: float


class SyntheticMarket:
    """The same seed and symbol give the same prices, whichever other symbols are listed beside it.

    Trends: drift comes in legs of 60 to 200 bars, up and down in turn, each towards a level above or below the symbol's
    slow average, so that every down leg carries the close through EMA(240) and EMA(600). The first legs around step 0
    are laid so that a strategy on those averages finds its first short soon after the start.
    """

    def __init__(
        self,
        listings: Mapping[Symbol, Listing],
        *,
        seed: int,
        start: datetime = SYNTHETIC_START,
        warm_up_bars: int = WARM_UP_BARS,
    ) -> None:
        self._listings = dict(listings)
        self._seed = seed
        self._start = start
        self._warm_up = warm_up_bars
        first = start - warm_up_bars * BASE_INTERVAL
        self._paths = {symbol: _path(listing, seed, first) for symbol, listing in self._listings.items()}
        self._common = random.Random(f"{seed}/common")
        self._legs = _legs(random.Random(f"{seed}/legs"), warm_up_bars)
        self._leg_left = 0
        self._regime = 1
        self._rows = 0
        self._make_rows(warm_up_bars)

    @property
    def description(self) -> dict[str, object]:
        return {
            "kind": "synthetic",
            "seed": self._seed,
            "symbols": list(self._listings),
            "start_ms": to_ms(self._start),
            "warm_up_bars": self._warm_up,
        }

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(self._listings)

    @property
    def start(self) -> datetime:
        return self._start

    def step(self, index: int) -> MarketStep:
        """The market has no end: there is always a next step."""
        row = self._warm_up + index
        self._make_rows(row + 1)
        opens = self._start + index * BASE_INTERVAL
        return MarketStep(
            start=opens,
            end=opens + BASE_INTERVAL,
            bars={symbol: path.columns.bar(row) for symbol, path in self._paths.items()},
            marks={symbol: path.columns.price(path.columns.mark[row]) for symbol, path in self._paths.items()},
            funding={
                symbol: rate.rate for symbol in self._listings for rate in self.funding_rates(symbol, opens, opens)
            },
        )

    @property
    def step_interval(self) -> timedelta:
        return BASE_INTERVAL

    def forming(self, symbol: Symbol) -> Whole | None:  # noqa: ARG002
        """Nothing: a step is a row."""
        return None

    def columns(self, symbol: Symbol) -> BarColumns:
        return self._paths[symbol].columns

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:
        listing = self._listings[symbol]
        interval = timedelta(minutes=listing.instrument.funding_interval_minutes)
        oldest = self._start - self._warm_up * BASE_INTERVAL
        return [
            FundingRate(time=time, rate=self._rate_at(listing, time))
            for time in funding_instants(max(first, oldest), last, interval)
        ]

    def _rate_at(self, listing: Listing, time: datetime) -> Decimal:
        draw = random.Random(f"{self._seed}/funding/{listing.symbol}/{to_ms(time)}")
        rate = Decimal(draw.gauss(0.0001, 0.00012)).quantize(_RATE_PLACES)
        return max(-listing.funding_rate_cap, min(listing.funding_rate_cap, rate))

    def _make_rows(self, count: int) -> None:
        while self._rows < count:
            if self._leg_left == 0:
                self._begin_leg(next(self._legs))
            self._leg_left -= 1
            if self._common.random() < _REGIME_CHANGE:
                self._regime = self._common.randrange(len(_REGIMES))
            regime, shock = _REGIMES[self._regime], _fat_tailed(self._common)
            for path in self._paths.values():
                _move(path, regime, shock, self._leg_left)
            self._rows += 1

    def _begin_leg(self, leg: _Leg) -> None:
        self._leg_left = leg.length
        for path in self._paths.values():
            # A typical leg is 130 bars; a free walk of that length ends about this far from where it began.
            reach = leg.strength * path.volatility * math.sqrt(130)
            middle = path.anchor + _PULL_HOME * (path.home - path.anchor)
            path.target = middle + leg.direction * reach * path.draw.uniform(0.9, 1.15)


def _legs(draw: random.Random, warm_up_bars: int) -> Iterator[_Leg]:
    opening = max(0, warm_up_bars - 240)
    direction, made = draw.choice((-1, 1)), 0
    while made < opening:
        length = min(draw.randint(60, 200), opening - made)
        yield _Leg(length, direction, draw.uniform(1.0, 2.2))
        made += length
        direction = -direction
    rise_ends = warm_up_bars + draw.randint(2, 8)
    yield _Leg(warm_up_bars - 110 - made, -1, 1.6)
    yield _Leg(rise_ends - (warm_up_bars - 110), 1, 1.6)
    yield _Leg(draw.randint(60, 80), -1, draw.uniform(2.0, 2.4))
    direction = 1
    while True:
        yield _Leg(draw.randint(60, 200), direction, draw.uniform(1.0, 2.2))
        direction = -direction


def _path(listing: Listing, seed: int, first: datetime) -> _Path:
    home = math.log(float(listing.traits.price))
    return _Path(
        columns=BarColumns(listing.instrument, start=first, interval=BASE_INTERVAL),
        draw=random.Random(f"{seed}/{listing.symbol}"),
        home=home,
        price=home,
        anchor=home,
        target=home,
        volatility=listing.traits.volatility,
        daily_turnover=listing.traits.daily_turnover,
    )


def _move(path: _Path, regime: float, common_shock: float, leg_left: int) -> None:
    draw, columns = path.draw, path.columns
    own = _fat_tailed(draw)
    shock = _CORRELATION * common_shock + math.sqrt(1 - _CORRELATION**2) * own
    deviation = path.volatility * regime
    drift = (path.target - path.price) / (leg_left + _LEG_SOFTNESS)
    change = drift + deviation * shock
    opened, closed = path.price, path.price + change
    path.price = closed
    path.anchor += _ANCHOR * (closed - path.anchor)
    tick = float(columns.tick_size)
    open_ticks = columns.close[-1] if columns.close else _ticks(opened, tick)
    close_ticks = _ticks(closed, tick)
    high = max(open_ticks, close_ticks, _ticks(opened + _extreme(draw, change, deviation), tick))
    low = min(open_ticks, close_ticks, _ticks(opened - _extreme(draw, -change, deviation), tick))
    typical = path.daily_turnover / 288 * math.exp(draw.gauss(-0.125, 0.5)) * regime
    turnover = typical * (0.6 + 0.5 * abs(change) / path.volatility)
    volume = max(1, round(turnover / math.exp(closed) / float(columns.quantity_step)))
    mark = max(1, round(close_ticks * (1 + draw.uniform(-0.00015, 0.00015))))
    columns.append(open_=open_ticks, high=high, low=low, close=close_ticks, volume=volume, mark=mark)


def _fat_tailed(draw: random.Random) -> float:
    """Student's t with 4 degrees, scaled to variance 1 and cut off where a real market would be halted."""
    # Chi-squared with 4 degrees is the sum of two exponentials, so two uniforms draw it.
    chi_squared = -2 * math.log((1.0 - draw.random()) * (1.0 - draw.random()))
    scaled = draw.gauss(0, 1) / math.sqrt(chi_squared / 4) / math.sqrt(2)
    return max(-_LARGEST_SHOCK, min(_LARGEST_SHOCK, scaled))


def _extreme(draw: random.Random, change: float, deviation: float) -> float:
    """How far a Brownian bridge from 0 to `change` rises above 0 (at least 0), drawn from its exact law."""
    u = 1.0 - draw.random()
    return 0.5 * (change + math.sqrt(change * change - 2 * deviation * deviation * math.log(u)))


def _ticks(log_price: float, tick: float) -> int:
    return max(1, round(math.exp(log_price) / tick))
