"""The candles of one symbol as the market of an instrument: whole ticks and steps, and bars made when asked for."""

from __future__ import annotations

from array import array
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alpha.candles.store import CandleSeries
from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument

_TURNOVER_PLACES: Final = Decimal("0.0001")
_MILLISECOND: Final = timedelta(milliseconds=1)
_TWO_TO_THE_31 = 1 << 31
_FLOATS_ARE_EXACT = 1 << 53


class Tape:
    """Rows of candles, oldest first, as integers: prices in ticks, volume in quantity steps. May have gaps.

    Prices are put on today's tick, because an order could not be filled anywhere else. The turnover of a candle is not
    recorded, so it is volume times the mean of the four prices. `mark` is the mark price at the close of each row.
    """

    def __init__(self, series: CandleSeries, instrument: Instrument, marks: CandleSeries | None = None) -> None:
        self.symbol: Symbol = instrument.symbol
        self.interval = series.interval
        self.tick_size = instrument.tick_size
        self.quantity_step = instrument.quantity_step
        self.quarter_unit = instrument.tick_size * instrument.quantity_step / 4
        self.tick_ratio = instrument.tick_size.as_integer_ratio()
        """The tick as two whole numbers: their quotient by a price in ticks is the float nearest to that price, as that
        of its Decimal is, at a tenth of the cost."""
        self.step_ratio = instrument.quantity_step.as_integer_ratio()
        self.starts_ms: NDArray[np.int64] = series.starts_ms
        tick, step = float(instrument.tick_size), float(instrument.quantity_step)
        # A price below half a tick would become 0, which is no price.
        self.open = _units(series.open, tick, least=1)
        self.high = _units(series.high, tick, least=1)
        self.low = _units(series.low, tick, least=1)
        self.close = _units(series.close, tick, least=1)
        self.volume = _units(series.volume, step, least=0)
        self.mark = self.close if marks is None or not len(marks) else _units(_marks(series, marks), tick, least=1)

    def __len__(self) -> int:
        return len(self.close)

    @property
    def ends_ms(self) -> NDArray[np.int64]:
        return self.starts_ms + self.interval // _MILLISECOND

    def start_of(self, row: int) -> datetime:
        return from_ms(int(self.starts_ms[row]))

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick_size

    def bar(self, row: int) -> TapeBar:
        return self.bars(row, row + 1, self.start_of(row))[0]

    def bars(self, first: int, last: int, start: datetime) -> list[TapeBar]:
        """The rows [first, last), the first of which opens at `start` and each other one when the one before closes:
        a bar ends with the very object that the next one starts with."""
        symbol, interval = self.symbol, self.interval
        bars, row = [], first
        for close in self._closes_as_floats(first, last):
            end = start + interval
            bars.append(TapeBar(self, row, symbol, start, end, close))
            start = end
            row += 1
        return bars

    def _closes_as_floats(self, first: int, last: int) -> list[float]:
        """Each the float nearest to the price. Of all at once, at a third of the cost of one by one."""
        over, under = self.tick_ratio
        ticks = as_numpy(self.close)[first:last].astype(np.float64) * over
        if len(ticks) and max(float(ticks.max()), under) >= _FLOATS_ARE_EXACT:
            return [self.close[row] * over / under for row in range(first, last)]
        closes: list[float] = (ticks / under).tolist()
        return closes


class TapeBar(Bar):
    """A bar that reads its numbers from a tape when somebody asks for them: most of the millions that a backtest makes
    are asked for their close only, or for nothing. Tapes make them (`Tape.bars`)."""

    __slots__ = ("_row", "_tape")

    def __init__(
        self, tape: Tape, row: int, symbol: Symbol, start: datetime, end: datetime, close_as_float: float
    ) -> None:
        # What the parent's would set, but for the numbers that are read.
        self._tape = tape
        self._row = row
        self.symbol = symbol
        self.start = start
        self.end = end
        self.close_as_float = close_as_float

    @property
    def open(self) -> Decimal:
        tape = self._tape
        return tape.open[self._row] * tape.tick_size

    @property
    def high(self) -> Decimal:
        tape = self._tape
        return tape.high[self._row] * tape.tick_size

    @property
    def low(self) -> Decimal:
        tape = self._tape
        return tape.low[self._row] * tape.tick_size

    @property
    def close(self) -> Decimal:
        tape = self._tape
        return tape.close[self._row] * tape.tick_size

    @property
    def volume(self) -> Decimal:
        tape = self._tape
        return tape.volume[self._row] * tape.quantity_step

    @property
    def turnover(self) -> Decimal:
        tape, row = self._tape, self._row
        quarters = tape.open[row] + tape.high[row] + tape.low[row] + tape.close[row]
        return (tape.volume[row] * quarters * tape.quarter_unit).quantize(_TURNOVER_PLACES)

    @property
    def high_as_float(self) -> float:
        tape = self._tape
        over, under = tape.tick_ratio
        return tape.high[self._row] * over / under

    @property
    def low_as_float(self) -> float:
        tape = self._tape
        over, under = tape.tick_ratio
        return tape.low[self._row] * over / under

    @property
    def volume_as_float(self) -> float:
        tape = self._tape
        over, under = tape.step_ratio
        return tape.volume[self._row] * over / under


def _marks(series: CandleSeries, marks: CandleSeries) -> NDArray[np.float64]:
    """The mark price at the close of every candle, from recordings of a longer interval.

    Where a recorded mark candle closes with a candle it is the recorded one; in between the last known ratio of mark
    and trade price is carried on, because a market does not know the coming hour's.
    """
    ends = series.starts_ms + series.interval // _MILLISECOND
    mark_ends = marks.starts_ms + marks.interval // _MILLISECOND
    _, in_series, in_marks = np.intersect1d(ends, mark_ends, assume_unique=True, return_indices=True)
    if not len(in_series):
        return series.close
    ratios = marks.close[in_marks] / series.close[in_series]
    known = np.searchsorted(in_series, np.arange(len(series)), side="right") - 1
    return np.where(known >= 0, series.close * ratios[known], series.close)


def _units(values: NDArray[np.float64], unit: float, *, least: int) -> array[int]:
    return as_column(np.maximum(np.rint(values / unit), least))


def as_column(values: NDArray[Any]) -> array[int]:
    """Whole numbers above -2^31 in 32 bits, where they fit as nearly all prices in ticks do, else in 64: half the
    memory of a year of minutes."""
    is_small = not len(values) or values.max() < _TWO_TO_THE_31
    column: array[int] = array("i" if is_small else "q")
    column.frombytes(values.astype(np.int32 if is_small else np.int64).tobytes())
    return column


def as_numpy(column: array[int]) -> NDArray[np.signedinteger[Any]]:
    """A column of a tape as numpy sees it, without a copy: of 32 or 64 bits."""
    return np.frombuffer(column, dtype=np.int32 if column.itemsize == 4 else np.int64)
