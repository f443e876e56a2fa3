"""Markets that move in steps of a second or so, and remember in minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.intervals import MINUTE
from paper_exchange.market.source import MarketStep, MarketTrade

_BOOK_MEMORY_MS = 300_000
_NO_TURNOVER = Decimal(0)


class ShortStep(NamedTuple):
    """One move, prices in ticks and volumes in quantity steps. A symbol that is missing stands still."""

    start_ms: int
    end_ms: int
    bars: Mapping[Symbol, Whole]
    marks: Mapping[Symbol, int]
    indexes: Mapping[Symbol, int]
    funding: Mapping[Symbol, Decimal]
    trades: Mapping[Symbol, Sequence[MarketTrade]]


class Minutes:
    """The minutes of one symbol: those that are closed, history first, and what is known of the one that is open."""

    def __init__(self, listing: Listing, start: datetime) -> None:
        self.columns = BarColumns(listing.instrument, start=start, interval=MINUTE)
        self.forming: Whole | None = None
        self.mark = 0
        self._history = 0
        self._traded: deque[tuple[int, int]] = deque()
        self._volume = 0

    def end_of_history(self) -> None:
        """What is there now is what the market begins with."""
        self._history = len(self.columns)
        self.begin_again()

    def begin_again(self) -> None:
        for column in (
            self.columns.open,
            self.columns.high,
            self.columns.low,
            self.columns.close,
            self.columns.volume,
            self.columns.mark,
        ):
            del column[self._history :]
        self.forming = None
        self.mark = self.columns.mark[-1]
        self._traded.clear()
        self._volume = 0
        first = max(0, self._history - _BOOK_MEMORY_MS // 60_000)
        for row in range(first, self._history):
            self._remember(int(self.columns.time_of(row + 1).timestamp() * 1000), self.columns.volume[row])

    @property
    def last(self) -> int:
        return self.columns.close[-1] if self.forming is None else self.forming.close

    def add(self, start: datetime, end: datetime, bar: Whole, mark: int) -> Whole:
        """Takes a move. Gives it back with the volume of the last five minutes in place of its own."""
        self.close_until(start)
        self.mark = mark
        before = self.forming
        self.forming = bar if before is None else Whole(
            before.open, max(before.high, bar.high), min(before.low, bar.low), bar.close, before.volume + bar.volume
        )  # fmt: skip
        self.close_until(end)
        self._remember(int(end.timestamp() * 1000), bar.volume)
        return bar._replace(volume=self._volume)

    def close_until(self, time: datetime) -> None:
        """Closes the minutes that end at the time or before; one without a trade stands where the last one ended."""
        columns = self.columns
        while columns.time_of(len(columns)) + MINUTE <= time:
            price = columns.close[-1]
            row = self.forming or Whole(price, price, price, price, 0)
            columns.append(
                open_=row.open, high=row.high, low=row.low, close=row.close, volume=row.volume, mark=self.mark
            )
            self.forming = None

    def _remember(self, end_ms: int, volume: int) -> None:
        self._traded.append((end_ms, volume))
        self._volume += volume
        while self._traded[0][0] <= end_ms - _BOOK_MEMORY_MS:
            self._volume -= self._traded.popleft()[1]


class ShortSteps:
    """Turns short steps into those of the engine, and keeps the minutes of every symbol. Steps come in order."""

    def __init__(self, minutes: Mapping[Symbol, Minutes]) -> None:
        self._minutes = minutes

    def begin_again(self) -> None:
        for minutes in self._minutes.values():
            minutes.begin_again()

    def make(self, short: ShortStep) -> MarketStep:
        start, end = from_ms(short.start_ms), from_ms(short.end_ms)
        bars: dict[Symbol, Bar] = {}
        marks: dict[Symbol, Decimal] = {}
        for symbol, minutes in self._minutes.items():
            last, columns = minutes.last, minutes.columns
            bar = short.bars.get(symbol) or Whole(last, last, last, last, 0)
            mark = short.marks.get(symbol, bar.close)
            moved = minutes.add(start, end, bar, mark)
            marks[symbol] = columns.price(mark)
            bars[symbol] = Bar(
                symbol=symbol,
                interval=timedelta(milliseconds=short.end_ms - short.start_ms),
                start=start,
                open=columns.price(moved.open),
                high=columns.price(moved.high),
                low=columns.price(moved.low),
                close=columns.price(moved.close),
                volume=moved.volume * columns.quantity_step,
                turnover=_NO_TURNOVER,
            )
        return MarketStep(
            start=start,
            end=end,
            bars=bars,
            marks=marks,
            funding=short.funding,
            indexes={symbol: self._minutes[symbol].columns.price(index) for symbol, index in short.indexes.items()},
            trades={symbol: short.trades.get(symbol, ()) for symbol in self._minutes},
        )
