"""Wilder's indicators, seeded and smoothed as TA-Lib does it: equal to it from the first value on."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler

from alpha.bot.indicators.ema import Length
from alpha.bot.kept_state import CoreSchema, kept


@dataclass(slots=True)
class Rsi:
    """Relative strength index, 0 to 100, once `length` changes were seen; 0 when nothing moved."""

    length: Length
    last: float = 0.0
    gain: float = 0.0
    loss: float = 0.0
    count: int = 0
    """Prices seen."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, length=Length, last=float, gain=float, loss=float, count=int)

    @property
    def is_ready(self) -> bool:
        return self.count > self.length

    @property
    def value(self) -> float:
        moved = self.gain + self.loss
        return 100.0 * self.gain / moved if moved else 0.0

    def update(self, close: float) -> None:
        change = close - self.last
        self.last = close
        self.count += 1
        if self.count == 1:
            return
        gain, loss = (change, 0.0) if change > 0 else (0.0, -change)
        if self.count <= self.length + 1:  # the seed is the plain mean of the first changes
            self.gain += gain / self.length
            self.loss += loss / self.length
        else:
            self.gain += (gain - self.gain) / self.length
            self.loss += (loss - self.loss) / self.length


@dataclass(slots=True)
class Atr:
    """Average true range in price units, once `length` true ranges were seen (the first bar has none)."""

    length: Length
    value: float = 0.0
    last: float = 0.0
    count: int = 0
    """Bars seen."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, length=Length, value=float, last=float, count=int)

    @property
    def is_ready(self) -> bool:
        return self.count > self.length

    def update(self, high: float, low: float, close: float) -> None:
        if self.count:
            true_range = max(high, self.last) - min(low, self.last)
            if self.count <= self.length:
                self.value += true_range / self.length
            else:
                self.value += (true_range - self.value) / self.length
        self.last = close
        self.count += 1


@dataclass(slots=True)
class Adx:
    """Average directional index, 0 to 100, once 2 x `length` bars were seen."""

    length: Length
    value: float = 0.0
    rise: float = 0.0
    fall: float = 0.0
    true_range: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    count: int = 0
    """Bars seen."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        moves = {"rise": float, "fall": float, "true_range": float}
        last = {"high": float, "low": float, "close": float}
        return kept(cls, handler, length=Length, value=float, **moves, **last, count=int)

    @property
    def is_ready(self) -> bool:
        return self.count >= 2 * self.length

    def update(self, high: float, low: float, close: float) -> None:
        if self.count:
            self._move(high - self.high, self.low - low, max(high, self.close) - min(low, self.close))
        self.high, self.low, self.close = high, low, close
        self.count += 1

    def _move(self, up: float, down: float, true_range: float) -> None:
        # The first length - 1 moves are summed; from then on each sum loses a length-th of itself per bar.
        kept = 1.0 if self.count < self.length else 1.0 - 1.0 / self.length
        self.rise = self.rise * kept + (up if up > 0 and up > down else 0.0)
        self.fall = self.fall * kept + (down if down > 0 and down > up else 0.0)
        self.true_range = self.true_range * kept + true_range
        directed = self.rise + self.fall
        if self.count < self.length or not self.true_range or not directed:
            return
        index = 100.0 * abs(self.rise - self.fall) / directed
        if self.count < 2 * self.length:
            self.value += index / self.length
        else:
            self.value += (index - self.value) / self.length
