"""What the bars of one asset say: regime, crosses, the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum, unique

from alpha.bot import Ema


@unique
class Regime(StrEnum):
    UNKNOWN = "unknown"
    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(slots=True)
class Trend:
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
        before = self.last_close
        above_fast = before is not None and before >= self.fast.value
        above_slow = before is not None and before >= self.slow.value
        fast, slow = self.fast.update(close), self.slow.update(close)
        day = at.date()
        if self.cross_day != day:
            self.cross_day, self.crosses = day, 0
        crossed = (above_fast and close < fast) + (above_slow and close < slow)
        if crossed:
            self.crosses += crossed
            self.triggered_at = at
        if self.slow.count >= warm_up_bars:
            self.regime = Regime.ACTIVE if close < fast and close < slow else Regime.INACTIVE
        self.last_close = close
