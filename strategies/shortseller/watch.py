"""What the trader is told about the market: at most one alert per kind and asset in an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alpha.bot import RecentValues
from strategies.shortseller.parameters import ShortSellerParams
from strategies.shortseller.trend import Regime, Trend


@dataclass(slots=True)
class MarketWatch:
    """Notices of one asset. `told` is when each kind was told last."""

    closes: RecentValues
    volumes: RecentValues
    regime: Regime = Regime.UNKNOWN
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
        found = []
        before, regime = self.regime, trend.regime
        if before is not regime:
            self.regime = regime
            if Regime.UNKNOWN not in (before, regime):
                found.append(("regime_change", f"regime is {regime.value}, it was {before.value}"))
        closes, volumes = self.closes.values, self.volumes.values
        if len(closes) == self.closes.length:
            move_percent = (closes[-1] - closes[0]) / closes[0] * 100.0
            if abs(move_percent) > params.alert_move_percent:
                found.append(("price_move", f"price moved {move_percent:+.2f} % in {params.alert_move_bars} bars"))
        if len(volumes) == self.volumes.length:
            volume = volumes[-1]
            mean = (sum(volumes) - volume) / params.alert_volume_bars
            if volume > params.alert_volume_ratio * mean > 0:
                times = volume / mean
                found.append(
                    ("volume_spike", f"volume is {times:.1f} times the mean of {params.alert_volume_bars} bars")
                )
        if regime is not Regime.UNKNOWN:
            slow = trend.slow.value
            gap_percent = abs(trend.fast.value - slow) / slow * 100.0
            if gap_percent < params.alert_ema_gap_percent:
                found.append(("averages_close", f"the two averages are within {gap_percent:.2f} %"))
        if not found:
            return {}
        interval = timedelta(minutes=params.alert_interval_minutes)
        return {kind: text for kind, text in found if self._may_tell(kind, at, interval)}

    def _may_tell(self, kind: str, at: datetime, interval: timedelta) -> bool:
        """Whether the kind has not been told within the interval; telling is noted."""
        last = self.told.get(kind)
        if last is not None and at - last < interval:
            return False
        self.told[kind] = at
        return True
