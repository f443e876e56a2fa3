"""What the trader is told about the market: at most one alert per kind and asset in an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from alpha.bot import RecentValues
from strategies.shortseller.parameters import ShortSellerParams
from strategies.shortseller.trend import UNKNOWN, Regime, Trend


@dataclass(slots=True)
class MarketWatch:
    """Notices of one asset. `told` is when each kind was told last."""

    closes: RecentValues
    volumes: RecentValues
    regime: Regime = UNKNOWN
    told: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, params: ShortSellerParams) -> MarketWatch:
        return cls(
            closes=RecentValues(length=params.alert_move_bars + 1),
            volumes=RecentValues(length=params.alert_volume_bars + 1),
        )

    def see(self, close: float, volume: float) -> None:
        """Take in the newest bar."""
        self.closes.values.append(close)
        self.volumes.values.append(volume)

    def notices(self, trend: Trend, params: ShortSellerParams, at: datetime) -> dict[str, str]:
        """What is worth telling of the newest bar, which ended at `at`, and was not told within the interval: kind ->
        text. It counts as told."""
        found: dict[str, str] = {}
        before, regime = self.regime, trend.regime
        if before is not regime:
            self.regime = regime
            is_known = before is not UNKNOWN and regime is not UNKNOWN
            if is_known and self._may_tell("regime_change", params, at):
                found["regime_change"] = f"regime is {regime.value}, it was {before.value}"
        closes, volumes = self.closes.values, self.volumes.values
        if len(closes) == self.closes.length:
            oldest = closes[0]
            move_percent = (closes[-1] - oldest) / oldest * 100.0
            if abs(move_percent) > params.alert_move_percent and self._may_tell("price_move", params, at):
                found["price_move"] = f"price moved {move_percent:+.2f} % in {params.alert_move_bars} bars"
        if len(volumes) == self.volumes.length:
            volume = volumes[-1]
            mean = (sum(volumes) - volume) / params.alert_volume_bars
            if volume > params.alert_volume_ratio * mean > 0 and self._may_tell("volume_spike", params, at):
                times = volume / mean
                found["volume_spike"] = f"volume is {times:.1f} times the mean of {params.alert_volume_bars} bars"
        if regime is not UNKNOWN:
            slow = trend.slow.value
            gap_percent = abs(trend.fast.value - slow) / slow * 100.0
            if gap_percent < params.alert_ema_gap_percent and self._may_tell("averages_close", params, at):
                found["averages_close"] = f"the two averages are within {gap_percent:.2f} %"
        return found

    def _may_tell(self, kind: str, params: ShortSellerParams, at: datetime) -> bool:
        """Whether the kind has not been told within the interval; telling is noted."""
        last = self.told.get(kind)
        if last is not None and at - last < params.alert_interval:
            return False
        self.told[kind] = at
        return True
