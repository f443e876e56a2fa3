"""What the bars of one asset say: regime, crosses, the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum, unique
from typing import Final

from pydantic import GetCoreSchemaHandler

from alpha.bot import CoreSchema, Ema, kept


@unique
class Regime(StrEnum):
    UNKNOWN = "unknown"
    ACTIVE = "active"
    INACTIVE = "inactive"


# Asked of every bar; through the class each costs ten times as much.
UNKNOWN: Final = Regime.UNKNOWN
ACTIVE: Final = Regime.ACTIVE
INACTIVE: Final = Regime.INACTIVE


@dataclass(slots=True)
class Trend:
    """Updated with every closed bar. `regime` stays unknown until `warm_up_bars` bars have been seen."""

    fast: Ema
    slow: Ema
    regime: Regime = UNKNOWN
    last_close: float | None = None
    cross_day: date | None = None
    crosses: int = 0
    triggered_at: datetime | None = None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(
            cls,
            handler,
            fast=Ema,
            slow=Ema,
            regime=Regime,
            last_close=float | None,
            cross_day=date | None,
            crosses=int,
            triggered_at=datetime | None,
        )

    def update(self, close: float, at: datetime, warm_up_bars: int) -> None:
        """Take in the close of the bar that ended at `at`.

        A cross is a close below an average after a close at or above it; one bar can cross both and then counts twice.
        It belongs to the UTC day on which its bar ended.
        """
        before, fast, slow = self.last_close, self.fast, self.slow
        fast_before, slow_before = fast.value, slow.value
        day = at.date()
        if self.cross_day != day:
            self.cross_day, self.crosses = day, 0
        below_fast, below_slow = close < fast.update(close), close < slow.update(close)
        if before is not None:
            crossed = (below_fast and before >= fast_before) + (below_slow and before >= slow_before)
            if crossed:
                self.crosses += crossed
                self.triggered_at = at
        if slow.count >= warm_up_bars:
            self.regime = ACTIVE if below_fast and below_slow else INACTIVE
        self.last_close = close
