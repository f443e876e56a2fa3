"""The multi-indicator system: eight rules on the bars of one interval."""

from __future__ import annotations

from pydantic import BaseModel

from alpha.bot import Atr, Ema, Macd, RecentValues, Rsi
from alpha.domain.bar import Bar
from strategies.lxalgo.parameters import EightRulesParams

RULES = ("trend", "rsi", "volume", "macd", "support_or_break", "averages", "change", "swings")


class EightRules(BaseModel):
    """Updated with every closed bar of its interval. `highs` and `lows` hold one bar more than the range, so that the
    range before the current bar is in them too."""

    trend: Ema
    fast: Ema
    slow: Ema
    macd: Macd
    rsi: Rsi
    atr: Atr
    volumes: RecentValues
    highs: RecentValues
    lows: RecentValues
    closes: RecentValues
    first_close: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, params: EightRulesParams) -> EightRules:
        window = max(params.range_bars + 1, 2 * params.swing_bars)
        return cls(
            trend=Ema(params.trend_ema_bars),
            fast=Ema(params.fast_ema_bars),
            slow=Ema(params.slow_ema_bars),
            macd=Macd.of(params.macd_fast_bars, params.macd_slow_bars, params.macd_signal_bars),
            rsi=Rsi(params.rsi_bars),
            atr=Atr(params.atr_bars),
            volumes=RecentValues(params.volume_bars),
            highs=RecentValues(window),
            lows=RecentValues(window),
            closes=RecentValues(params.change_bars + 1),
        )

    def fits(self, params: EightRulesParams) -> bool:
        """Whether it was made under these parameters."""
        return self._lengths() == EightRules.of(params)._lengths()

    def update(self, bar: Bar) -> None:
        close, high, low = bar.close_as_float, bar.high_as_float, bar.low_as_float
        if not self.count:
            self.first_close = close
        self.count += 1
        for average in (self.trend, self.fast, self.slow, self.macd, self.rsi, self.closes):
            average.update(close)
        self.atr.update(high, low, close)
        self.volumes.update(bar.volume_as_float)
        self.highs.update(high)
        self.lows.update(low)

    def ready(self, params: EightRulesParams) -> bool:
        return self.count >= params.minimum_bars

    def met(self, params: EightRulesParams) -> tuple[str, ...]:
        """Which of the eight hold at the newest close. Meaningless before `ready`."""
        close, volume = self.closes.newest, self.volumes.newest
        highs, lows = list(self.highs.values), list(self.lows.values)
        support = min(lows[-params.range_bars :])
        resistance = max(highs[-params.range_bars - 1 : -1])
        swing = params.swing_bars
        # What a longer history would still change of the long average counts against the rule.
        unknown = self.trend.seed_share * self.first_close
        holds = (
            close > self.trend.value + unknown,
            params.rsi_from <= self.rsi.value <= params.rsi_to,
            volume > params.volume_ratio_above * self.volumes.mean,
            self.macd.histogram > 0,
            close - support <= params.support_atr * self.atr.value or close > resistance,
            self.fast.value > self.slow.value,
            close > self.closes.first,
            max(highs[-swing:]) > max(highs[-2 * swing : -swing])
            and min(lows[-swing:]) > min(lows[-2 * swing : -swing]),
        )
        return tuple(name for name, held in zip(RULES, holds, strict=True) if held)

    def _lengths(self) -> tuple[int, ...]:
        macd = (self.macd.fast.length, self.macd.slow.length, self.macd.signal.length)
        averages = (self.trend.length, self.fast.length, self.slow.length, self.rsi.length, self.atr.length)
        return (*macd, *averages, self.volumes.length, self.highs.length, self.closes.length)
