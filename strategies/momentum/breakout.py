"""What the bars of one symbol say: compression, breakout, volume, trend, and how good a candidate it is."""

from __future__ import annotations

from pydantic import BaseModel

from alpha.bot import Adx, Bollinger, RecentValues
from alpha.domain.bar import Bar
from strategies.momentum.parameters import MomentumParams


class Breakout(BaseModel):
    """Updated with every closed bar of the deciding interval. Windows include that bar."""

    bands: Bollinger
    widths: RecentValues
    volumes: RecentValues
    count: int = 0
    close: float = 0.0

    @classmethod
    def of(cls, params: MomentumParams) -> Breakout:
        return cls(
            bands=Bollinger.of(params.bollinger_bars, params.bollinger_deviations),
            widths=RecentValues(params.width_share_bars),
            volumes=RecentValues(params.volume_bars),
        )

    def fits(self, params: MomentumParams) -> bool:
        """Whether it was made under these parameters."""
        made = (self.bands.closes.length, self.bands.deviations, self.widths.length, self.volumes.length)
        asked = (params.bollinger_bars, params.bollinger_deviations, params.width_share_bars, params.volume_bars)
        return made == asked

    def update(self, bar: Bar) -> None:
        self.count += 1
        self.close = bar.close_as_float
        self.bands.update(self.close)
        self.volumes.update(bar.volume_as_float)
        if self.bands.is_ready:
            self.widths.update(self.bands.width)

    @property
    def width_share(self) -> float:
        """Share of the newest widths that are below the current one, 0 to 1."""
        current = self.widths.newest
        return sum(width < current for width in self.widths.values) / self.widths.length

    @property
    def volume_ratio(self) -> float:
        """Volume as a multiple of its mean; 0 when nothing traded."""
        mean = self.volumes.mean
        return self.volumes.newest / mean if mean else 0.0

    @property
    def distance_percent(self) -> float:
        """How far the close is above the mean of closes, in percent of the mean."""
        return (self.close - self.bands.middle) / self.bands.middle * 100.0

    def obstacle(self, params: MomentumParams) -> str | None:
        """The first rule that forbids an entry, or None when all are met."""
        if self.count < params.warm_up_bars or not self.widths.is_full:
            return "warm_up"
        if not self.width_share < params.width_share_below:
            return "compression"
        if not self.close > self.bands.upper:
            return "breakout"
        if not self.volume_ratio > params.volume_ratio_above:
            return "volume"
        if not self.close > self.bands.middle:
            return "trend"
        return None

    def rank(self, params: MomentumParams) -> float:
        """0 to 1, the higher the better."""
        parts = (
            1.0 - self.width_share,
            min(self.volume_ratio / params.rank_volume_ratio, 1.0),
            min(self.distance_percent / params.rank_distance_percent, 1.0),
        )
        return sum(parts) / len(parts)


class MarketTrend(BaseModel):
    """BTC's own trend, for the optional filter."""

    closes: RecentValues
    adx: Adx

    @classmethod
    def of(cls, params: MomentumParams) -> MarketTrend:
        return cls(closes=RecentValues(params.btc_mean_bars), adx=Adx(params.btc_adx_bars))

    def fits(self, params: MomentumParams) -> bool:
        return (self.closes.length, self.adx.length) == (params.btc_mean_bars, params.btc_adx_bars)

    def update(self, bar: Bar) -> None:
        close = bar.close_as_float
        self.closes.update(close)
        self.adx.update(bar.high_as_float, bar.low_as_float, close)

    def allows(self, params: MomentumParams) -> bool:
        """Whether BTC closed above its mean and trends; not while too little is known."""
        if not self.closes.is_full or self.adx.count < params.history_bars:
            return False
        return self.closes.newest > self.closes.mean and self.adx.value > params.btc_adx_above
