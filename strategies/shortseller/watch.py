"""What the trader is told about the market: at most one alert per kind and asset in an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import GetCoreSchemaHandler

from alpha.bot import CoreSchema, RecentValues, kept
from strategies.shortseller.alert_rules import AlertRules
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
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, closes=RecentValues, volumes=RecentValues, regime=Regime, told=dict[str, datetime])

    @classmethod
    def of(cls, params: ShortSellerParams) -> MarketWatch:
        return cls(
            closes=RecentValues(length=params.alert_move_bars + 1),
            volumes=RecentValues(length=params.alert_volume_bars + 1),
        )

    def fits(self, params: ShortSellerParams) -> bool:
        """Whether it was made under these parameters."""
        made = MarketWatch.of(params)
        return (self.closes.length, self.volumes.length) == (made.closes.length, made.volumes.length)

    def see(self, close: float, volume: float) -> None:
        """Take in the newest bar."""
        self.closes.values.append(close)
        self.volumes.values.append(volume)

    def notices(self, trend: Trend, rules: AlertRules, at: datetime) -> dict[str, str]:
        """What is worth telling of the newest bar, which ended at `at`, and was not told within the interval: kind ->
        text. It counts as told."""
        before, regime = self.regime, trend.regime
        closes, volumes = self.closes, self.volumes
        found: dict[str, str] = {}
        if before is not regime:
            self.regime = regime
            is_known = before is not UNKNOWN and regime is not UNKNOWN
            if is_known and self._may_tell("regime_change", rules, at):
                found["regime_change"] = f"regime is {regime.value}, it was {before.value}"
        values = closes.values
        if len(values) == closes.length:
            oldest = values[0]
            move_percent = (values[-1] - oldest) / oldest * 100.0
            if abs(move_percent) > rules.move_percent and self._may_tell("price_move", rules, at):
                found["price_move"] = f"price moved {move_percent:+.2f} % in {rules.move_bars} bars"
        values = volumes.values
        if len(values) == volumes.length:
            volume = values[-1]
            mean = (sum(values) - volume) / rules.volume_bars
            if volume > rules.volume_ratio * mean > 0 and self._may_tell("volume_spike", rules, at):
                times = volume / mean
                found["volume_spike"] = f"volume is {times:.1f} times the mean of {rules.volume_bars} bars"
        if regime is not UNKNOWN:
            slow = trend.slow.value
            gap_percent = abs(trend.fast.value - slow) / slow * 100.0
            if gap_percent < rules.ema_gap_percent and self._may_tell("averages_close", rules, at):
                found["averages_close"] = f"the two averages are within {gap_percent:.2f} %"
        return found

    def _may_tell(self, kind: str, rules: AlertRules, at: datetime) -> bool:
        """Whether the kind has not been told within the interval; telling is noted."""
        last = self.told.get(kind)
        if last is not None and at - last < rules.interval:
            return False
        self.told[kind] = at
        return True
