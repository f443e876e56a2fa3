from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import fsum, sqrt

from pydantic import GetCoreSchemaHandler

from alpha.bot.indicators.ema import Length
from alpha.bot.kept_state import CoreSchema, kept


@dataclass(slots=True)
class RecentValues:
    """The newest `length` values, oldest first. What is asked of them is computed when it is asked, over exactly these
    values: a running sum would carry the rounding of everything that came before."""

    length: Length
    values: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.values = deque(self.values, maxlen=self.length)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, length=Length, values=deque[float])

    def update(self, value: float) -> None:
        self.values.append(value)

    @property
    def is_full(self) -> bool:
        return len(self.values) == self.length

    @property
    def first(self) -> float:
        """The oldest of them. Raises IndexError while there is no value, as `newest` does."""
        return self.values[0]

    @property
    def newest(self) -> float:
        return self.values[-1]

    @property
    def mean(self) -> float:
        """Raises ZeroDivisionError while there is no value."""
        return fsum(self.values) / len(self.values)

    @property
    def deviation(self) -> float:
        """Standard deviation of the population. Raises ZeroDivisionError while there is no value."""
        mean = self.mean
        return sqrt(fsum([(value - mean) ** 2 for value in self.values]) / len(self.values))

    @property
    def highest(self) -> float:
        return max(self.values)

    @property
    def lowest(self) -> float:
        return min(self.values)
