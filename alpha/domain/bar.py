from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol


class Bar:
    """One closed bar over [start, end). Volume is in base units, turnover in the quote currency. Nobody changes one:
    whoever wants to know of it is given the same.

    A recording may hand out bars that make their numbers when they are asked for (`alpha.candles.tape`). They are bars
    like any other: two bars are equal when they say the same, however they were made.
    """

    __slots__ = (
        "_close",
        "_high",
        "_low",
        "_open",
        "_turnover",
        "_volume",
        "close_as_float",
        "end",
        "start",
        "symbol",
    )

    symbol: Symbol
    start: datetime
    end: datetime
    """The instant the bar is closed and may be decided on."""
    close_as_float: float
    """For indicators, which are floats, as `high_as_float` and the others. Money is reckoned in Decimal."""

    def __init__(
        self,
        *,
        symbol: Symbol,
        interval: timedelta,
        start: datetime,
        open: Decimal,
        high: Decimal,
        low: Decimal,
        close: Decimal,
        volume: Decimal,
        turnover: Decimal,
    ) -> None:
        require_aware(start)
        if not 0 < low <= min(open, close) <= max(open, close) <= high:
            raise InvalidValue(
                f"{symbol} bar of {start.isoformat()}: open {open}, high {high}, low {low}, close {close} cannot be"
            )
        self.symbol = symbol
        self.start = start
        self.end = start + interval
        self.close_as_float = float(close)
        self._open, self._high, self._low, self._close = open, high, low, close
        self._volume, self._turnover = volume, turnover

    @property
    def interval(self) -> timedelta:
        return self.end - self.start

    @property
    def open(self) -> Decimal:
        return self._open

    @property
    def high(self) -> Decimal:
        return self._high

    @property
    def low(self) -> Decimal:
        return self._low

    @property
    def close(self) -> Decimal:
        return self._close

    @property
    def volume(self) -> Decimal:
        return self._volume

    @property
    def turnover(self) -> Decimal:
        return self._turnover

    @property
    def high_as_float(self) -> float:
        return float(self._high)

    @property
    def low_as_float(self) -> float:
        return float(self._low)

    @property
    def volume_as_float(self) -> float:
        return float(self._volume)

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Bar) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.symbol}, {self.start.isoformat()}, {self.interval}, open={self.open}, "
            f"high={self.high}, low={self.low}, close={self.close}, volume={self.volume})"
        )

    @property
    def _content(self) -> tuple[object, ...]:
        prices = (self.open, self.high, self.low, self.close)
        return (self.symbol, self.start, self.end, prices, self.volume, self.turnover)
