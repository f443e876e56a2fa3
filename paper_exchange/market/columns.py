from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from paper_exchange.market.inside import Whole

_TURNOVER_PLACES = Decimal("0.0001")


class BarColumns:
    """The gapless bars of one symbol as integers: prices in ticks, volume in quantity steps.

    Integers keep a market of many months small and exact; bars are made when somebody asks. Row 0 opens at `start`.
    The turnover of a row is not recorded anywhere we read from, so it is volume times the mean of the four prices.
    """

    def __init__(self, instrument: Instrument, *, start: datetime, interval: timedelta) -> None:
        self.symbol: Symbol = instrument.symbol
        self.tick_size = instrument.tick_size
        self.quantity_step = instrument.quantity_step
        self.quarter_unit = instrument.tick_size * instrument.quantity_step / 4
        self.start = start
        self.interval = interval
        self.open = array("q")
        self.high = array("q")
        self.low = array("q")
        self.close = array("q")
        self.volume = array("q")
        self.mark = array("q")
        """Mark price at the row's close, in ticks."""

    def __len__(self) -> int:
        return len(self.close)

    def append(self, *, open_: int, high: int, low: int, close: int, volume: int, mark: int) -> None:
        self.open.append(open_)
        self.high.append(high)
        self.low.append(low)
        self.close.append(close)
        self.volume.append(volume)
        self.mark.append(mark)

    def extend(
        self,
        *,
        open_: Iterable[int],
        high: Iterable[int],
        low: Iterable[int],
        close: Iterable[int],
        volume: Iterable[int],
        mark: Iterable[int],
    ) -> None:
        """Many rows at once; anything with the buffer interface (an int64 array) is copied as bytes."""
        for column, values in (
            (self.open, open_),
            (self.high, high),
            (self.low, low),
            (self.close, close),
            (self.volume, volume),
            (self.mark, mark),
        ):
            _extend(column, values)

    def time_of(self, row: int) -> datetime:
        return self.start + row * self.interval

    def row_of(self, time: datetime) -> int:
        """The row whose span holds the time; below 0 before the first one."""
        return (time - self.start) // self.interval

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick_size

    def bar(self, row: int) -> Bar:
        """One row. The same as an aggregate of it, at half the cost: a history is asked for in thousands of them."""
        tick = self.tick_size
        open_, high, low, close = self.open[row], self.high[row], self.low[row], self.close[row]
        volume = self.volume[row]
        turnover = volume * (open_ + high + low + close) * self.quarter_unit
        return Bar(
            symbol=self.symbol,
            interval=self.interval,
            start=self.time_of(row),
            open=open_ * tick,
            high=high * tick,
            low=low * tick,
            close=close * tick,
            volume=volume * self.quantity_step,
            turnover=turnover.quantize(_TURNOVER_PLACES),
        )

    def whole(self, row: int) -> Whole:
        """One row in ticks and quantity steps."""
        return Whole(self.open[row], self.high[row], self.low[row], self.close[row], self.volume[row])

    def whole_mark(self, row: int) -> Whole:
        """The mark price of one row: the trade price at the basis of the row before, as the engine has it, until it is
        given anew at the close."""
        basis = self.mark[row - 1] - self.close[row - 1] if row else 0
        close = self.mark[row]
        opened, high, low = self.open[row] + basis, self.high[row] + basis, self.low[row] + basis
        return Whole(max(1, opened), max(1, high, close), max(1, min(low, close)), close, 0)

    def aggregate(self, first: int, last: int, *, start: datetime, interval: timedelta) -> Bar:
        """One bar over the rows [first, last), labelled with the start and interval given. The rows must exist."""
        opens, highs = self.open[first:last], self.high[first:last]
        lows, closes, volumes = self.low[first:last], self.close[first:last], self.volume[first:last]
        quarters = sum(v * (o + h + lo + c) for v, o, h, lo, c in zip(volumes, opens, highs, lows, closes, strict=True))
        turnover = quarters * self.quarter_unit
        return Bar(
            symbol=self.symbol,
            interval=interval,
            start=start,
            open=self.price(opens[0]),
            high=self.price(max(highs)),
            low=self.price(min(lows)),
            close=self.price(closes[-1]),
            volume=sum(volumes) * self.quantity_step,
            turnover=turnover.quantize(_TURNOVER_PLACES),
        )


def _extend(column: array[int], values: Iterable[int]) -> None:
    try:
        column.frombytes(memoryview(values).cast("B"))  # type: ignore[arg-type]
    except TypeError:
        column.extend(values)
