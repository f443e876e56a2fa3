"""Fast moves on 5-minute bars: a gate, a score, and two rules that enter."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from math import fsum, sqrt

from pydantic import BaseModel

from alpha.bot import RecentValues, Rsi
from alpha.domain.bar import Bar
from strategies.lxalgo.parameters import PumpMomentumParams

_DAY = timedelta(days=1)


class PumpMomentum(BaseModel):
    """Updated with every closed bar, in constant time; what the rules need beyond the gate is computed only for a bar
    that passes it. `n bars ago` is the bar n before the current one. All measures are in percent."""

    rsi: Rsi
    opens: RecentValues
    closes: RecentValues
    volumes: RecentValues
    turnovers: RecentValues
    high: float = 0.0
    low: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, params: PumpMomentumParams, interval: timedelta) -> PumpMomentum:
        return cls(
            rsi=Rsi(params.rsi_bars),
            opens=RecentValues(params.gate_bars + 1),
            closes=RecentValues(params.window_bars + 1),
            volumes=RecentValues(params.window_bars + 1),
            turnovers=RecentValues(_DAY // interval),
        )

    def fits(self, params: PumpMomentumParams, interval: timedelta) -> bool:
        """Whether it was made under these parameters."""
        return self._lengths() == PumpMomentum.of(params, interval)._lengths()

    def update(self, bar: Bar) -> None:
        close = bar.close_as_float
        self.count += 1
        self.rsi.update(close)
        self.opens.update(float(bar.open))
        self.closes.update(close)
        self.volumes.update(bar.volume_as_float)
        self.turnovers.update(float(bar.turnover))
        self.high, self.low = bar.high_as_float, bar.low_as_float

    def ready(self, params: PumpMomentumParams) -> bool:
        return self.count >= params.minimum_bars

    @property
    def day_turnover(self) -> float:
        """Turnover of the newest 24 hours in the quote currency."""
        return fsum(self.turnovers.values)

    @property
    def close(self) -> float:
        return self.closes.newest

    @property
    def move_percent(self) -> float:
        return _change_percent(self.opens.first, self.close)

    @property
    def range_percent(self) -> float:
        return (self.high - self.low) / self.close * 100.0

    @property
    def price_change_percent(self) -> float:
        return _change_percent(self.closes.first, self.close)

    @property
    def volume_change_percent(self) -> float:
        """0 when nothing traded that long ago."""
        before = self.volumes.first
        return _change_percent(before, self.volumes.newest) if before else 0.0

    @property
    def deviation_percent(self) -> float:
        """Standard deviation (population) of the returns from bar to bar."""
        returns = [(after - before) / before for before, after in pairwise(self.closes.values)]
        mean = fsum(returns) / len(returns)
        return sqrt(fsum((each - mean) ** 2 for each in returns) / len(returns)) * 100.0

    def score(self, params: PumpMomentumParams) -> int:
        """0 to 5."""
        return sum(
            (
                self.rsi.value > params.score_rsi_above,
                self.volume_change_percent > params.score_volume_change_percent_above,
                self.range_percent < params.score_range_percent_below,
                self.deviation_percent > params.score_deviation_percent_above,
                self.price_change_percent > params.score_price_change_percent_above,
            )
        )

    def signal(self, params: PumpMomentumParams) -> str | None:
        """The rule that enters at the newest close, or None."""
        if not self.ready(params) or self.move_percent < params.gate_percent:
            return None
        if self.score(params) >= params.score_needed and self.range_percent < params.range_percent_below:
            return "rule_8"
        if self.rsi.value > params.rsi_above and self.deviation_percent > params.deviation_percent_above:
            return "rule_6"
        return None

    def _lengths(self) -> tuple[int, ...]:
        windows = (self.opens, self.closes, self.volumes, self.turnovers)
        return (self.rsi.length, *(window.length for window in windows))


def _change_percent(before: float, after: float) -> float:
    return (after - before) / before * 100.0
