from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bar:
    """One closed bar over [start, start + interval). Volume is in base units, turnover in the quote currency.

    A recording may hand out bars that make their numbers when they are asked for (`alpha.candles.tape`). They are bars
    like any other: two bars are equal when they say the same, however they were made.
    """

    symbol: Symbol
    interval: timedelta
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal

    def __post_init__(self) -> None:
        require_aware(self.start)
        if not 0 < self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise InvalidValue(
                f"{self.symbol} bar of {self.start.isoformat()}: "
                f"open {self.open}, high {self.high}, low {self.low}, close {self.close} cannot be"
            )

    @property
    def end(self) -> datetime:
        """The instant the bar is closed and may be decided on."""
        return self.start + self.interval

    @property
    def high_as_float(self) -> float:
        """For indicators, which are floats; so are the other three. Money is reckoned in Decimal."""
        return float(self.high)

    @property
    def low_as_float(self) -> float:
        return float(self.low)

    @property
    def close_as_float(self) -> float:
        return float(self.close)

    @property
    def volume_as_float(self) -> float:
        return float(self.volume)

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Bar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[object, ...]:
        prices = (self.open, self.high, self.low, self.close)
        return (self.symbol, self.interval, self.start, prices, self.volume, self.turnover)
