"""The candles that Bybit knows (https://bybit-exchange.github.io/docs/v5/enum#interval), and where each begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alpha.domain.clock import EPOCH

MINUTE = timedelta(minutes=1)
_MONDAY = EPOCH + timedelta(days=4)
"""1970 began on a Thursday; weeks are counted from the Monday after."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Candles of one `length` each, counted from `anchor` on. UTC."""

    name: str
    length: timedelta
    anchor: datetime = EPOCH

    def floor(self, time: datetime) -> datetime:
        """The start of the candle that the time lies in."""
        return self.anchor + (time - self.anchor) // self.length * self.length

    def shift(self, start: datetime, candles: int) -> datetime:
        """The start of the candle so many after (below 0: before) the one that starts then."""
        return start + candles * self.length

    def ceiling(self, time: datetime) -> datetime:
        """The first start of a candle at the time or later."""
        start = self.floor(time)
        return start if start == time else self.shift(start, 1)


@dataclass(frozen=True, slots=True)
class Month(Interval):
    """Calendar months, which have no length of their own; `length` is that of the shortest."""

    def floor(self, time: datetime) -> datetime:
        return time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def shift(self, start: datetime, candles: int) -> datetime:
        months = start.year * 12 + start.month - 1 + candles
        return start.replace(year=months // 12, month=months % 12 + 1)


INTERVALS: dict[str, Interval] = {
    **{str(minutes): Interval(str(minutes), minutes * MINUTE) for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": Interval("D", timedelta(days=1)),
    "W": Interval("W", timedelta(days=7), _MONDAY),
    "M": Month("M", timedelta(days=28)),
}
