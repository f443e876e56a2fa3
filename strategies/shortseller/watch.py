"""What the trader is told about the market: at most one alert per kind and asset in an interval."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel

from alpha.bot import RecentValues
from strategies.shortseller.parameters import ShortSellerParams
from strategies.shortseller.trend import Regime, Trend


class MarketWatch(BaseModel):
    """Notices of one asset. `told` is when each kind was told last."""

    closes: RecentValues
    volumes: RecentValues
    regime: Regime = Regime.UNKNOWN
    told: dict[str, datetime] = {}

    @classmethod
    def of(cls, params: ShortSellerParams) -> MarketWatch:
        return cls(
            closes=RecentValues(length=params.alert_move_bars + 1),
            volumes=RecentValues(length=params.alert_volume_bars),
        )

    def see(self, close: float, volume: float, trend: Trend, params: ShortSellerParams) -> dict[str, str]:
        """Take in the newest bar, with the trend after it; answers kind -> text of what is worth telling."""
        self.closes.update(close)
        found = {}
        if trend.regime is not self.regime and Regime.UNKNOWN not in (trend.regime, self.regime):
            found["regime_change"] = f"regime is {trend.regime.value}, it was {self.regime.value}"
        if self.closes.is_full:
            first = self.closes.values[0]
            move_percent = (close - first) / first * 100
            if abs(move_percent) > params.alert_move_percent:
                found["price_move"] = f"price moved {move_percent:+.2f} % in {params.alert_move_bars} bars"
        if self.volumes.is_full and self.volumes.mean > 0:
            ratio = volume / self.volumes.mean
            if ratio > params.alert_volume_ratio:
                found["volume_spike"] = f"volume is {ratio:.1f} times the mean of {params.alert_volume_bars} bars"
        if trend.regime is not Regime.UNKNOWN:
            gap_percent = abs(trend.fast.value - trend.slow.value) / trend.slow.value * 100
            if gap_percent < params.alert_ema_gap_percent:
                found["averages_close"] = f"the two averages are within {gap_percent:.2f} %"
        self.volumes.update(volume)
        self.regime = trend.regime
        return found

    def may_tell(self, kind: str, at: datetime, interval: timedelta) -> bool:
        """Whether the kind has not been told within the interval; telling is noted."""
        last = self.told.get(kind)
        if last is not None and at - last < interval:
            return False
        self.told[kind] = at
        return True
