from __future__ import annotations

from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler

from alpha.bot.indicators.recent import RecentValues
from alpha.bot.kept_state import CoreSchema, kept


@dataclass(slots=True)
class Bollinger:
    """Bands of `deviations` population standard deviations around the simple mean of the newest closes."""

    closes: RecentValues
    deviations: float
    middle: float = 0.0
    spread: float = 0.0
    """Distance of each band from the middle."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, closes=RecentValues, deviations=float, middle=float, spread=float)

    @classmethod
    def of(cls, bars: int, deviations: float) -> Bollinger:
        return cls(RecentValues(bars), deviations)

    @property
    def is_ready(self) -> bool:
        return self.closes.is_full

    @property
    def upper(self) -> float:
        return self.middle + self.spread

    @property
    def lower(self) -> float:
        return self.middle - self.spread

    @property
    def width(self) -> float:
        """(upper - lower) / middle: a fraction, 0.1 is 10 %."""
        return 2.0 * self.spread / self.middle

    def update(self, close: float) -> None:
        self.closes.update(close)
        if self.closes.is_full:
            self.middle = self.closes.mean
            self.spread = self.deviations * self.closes.deviation
