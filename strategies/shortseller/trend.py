"""What the bars of one asset say: regime, crosses, the trigger."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum, unique

from pydantic import BaseModel

from alpha.bot import Ema


@unique
class Regime(StrEnum):
    UNKNOWN = "unknown"
    ACTIVE = "active"
    INACTIVE = "inactive"


class Trend(BaseModel):
    """Updated with every closed bar. `regime` stays unknown until `warm_up_bars` bars have been seen."""

    fast: Ema
    slow: Ema
    regime: Regime = Regime.UNKNOWN
    last_close: float | None = None
    cross_day: date | None = None
    crosses: int = 0
    triggered_at: datetime | None = None

    def update(self, close: float, at: datetime, warm_up_bars: int) -> None:
        """Take in the close of the bar that ended at `at`.

        A cross is a close below an average after a close at or above it; one bar can cross both and then counts twice.
        It belongs to the UTC day on which its bar ended.
        """
        above_before = [self._was_above(self.fast), self._was_above(self.slow)]
        fast, slow = self.fast.update(close), self.slow.update(close)
        if self.cross_day != at.date():
            self.cross_day, self.crosses = at.date(), 0
        crossed = sum(above and close < now for above, now in zip(above_before, (fast, slow), strict=True))
        if crossed:
            self.crosses += crossed
            self.triggered_at = at
        if self.slow.count >= warm_up_bars:
            self.regime = Regime.ACTIVE if close < fast and close < slow else Regime.INACTIVE
        self.last_close = close

    def _was_above(self, average: Ema) -> bool:
        return self.last_close is not None and self.last_close >= average.value
