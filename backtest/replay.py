"""The engine moved along the timeline: bar by bar where something can happen, in one leap where nothing can."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from alpha.candles.tape import Tape, as_column, as_numpy
from alpha.domain.arithmetic import whole_ceiling, whole_floor
from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from backtest.recordings import Recordings
from backtest.timeline import Lane, Timeline
from paper_exchange.engine import Engine
from paper_exchange.engine.quiet_range import NOTHING_AT_STAKE

_LOOK_AHEAD: Final = 128
_BLOCK: Final = 16
_LONGEST_LOOK: Final = 8192


class Replay:
    """`index` is the bar that closed last. Nothing later is shown to anybody; what lies ahead is looked at only to know
    which bars the engine has to walk, and walking all of them gives the same."""

    def __init__(self, engine: Engine, recordings: Recordings, timeline: Timeline, *, every_bar: bool = False) -> None:
        """`every_bar` walks all bars, to compare with."""
        self.engine = engine
        self.index = -1
        self.next_step = self.wake_at = 0
        """The index at which `pass_to` has to be called; up to there the bars change nothing. Whoever goes through the
        bars may put `wake_at` before it, for reasons of its own; it never comes after it."""
        self._timeline = timeline
        self._lanes = timeline.lanes
        self._length = len(timeline)
        self._every_bar = every_bar
        self._marked = {symbol for symbol, lane in self._lanes.items() if lane.tape.mark is not lane.tape.close}
        self._funding = _funding_by_index(recordings, timeline)
        self._funding_at = {symbol: np.array(sorted(due), dtype=np.int64) for symbol, due in self._funding.items()}
        self._reach = {symbol: _Reach(lane.tape) for symbol, lane in self._lanes.items()}
        self._look = _LOOK_AHEAD
        self._walks_next = False
        self._caught_up = -1
        self._bars: tuple[Bar, ...] = ()
        self._bars_at = -1

    def begin(self, index: int) -> None:
        """The bar of this index has closed, and trading begins: the engine is at its close already."""
        self._caught_up = self.index = index
        self._plan()

    def closed(self, index: int, bars: tuple[Bar, ...]) -> None:
        """The bars of the index have closed and are decided on."""
        self.index = self._bars_at = index
        self._bars = bars

    def pass_to(self, index: int, bars: tuple[Bar, ...]) -> bool:
        """The bars of the index close. Whether the engine walked them; if not, nothing happened in them."""
        self.index = index
        if index < self.next_step:
            return False
        if self._walks_next:
            self._step(index, bars)
            self._look = _LOOK_AHEAD
            self._plan()
            return True
        # Only as far as was looked; the bar itself may be quiet.
        self._look = min(2 * self._look, _LONGEST_LOOK)
        self.index = index - 1
        self._plan()
        return self.pass_to(index, bars)

    def asked(self, *, waits: bool) -> None:
        """Somebody asked the engine for something: an order that waits for the next open, so that the bar has to be
        walked, or something else that moves what bars may touch."""
        walks = self.next_step == self.index + 1 and self._walks_next
        self.next_step = self.wake_at = self.index + 1
        self._walks_next = waits or walks
        self._look = _LOOK_AHEAD

    def catch_up(self) -> Engine:
        """The engine as it is at the close of the last bar."""
        index, engine = self.index, self.engine
        if index <= self._caught_up:
            return engine
        self._caught_up = index
        closes: dict[Symbol, Decimal] = {}
        marks: dict[Symbol, Decimal] | None = {} if self._marked else None
        for symbol, lane in self._lanes.items():
            row = lane.latest[index]
            if row >= 0:
                tape = lane.tape
                closes[symbol] = tape.close[row] * tape.tick_size
                if marks is not None:
                    marks[symbol] = tape.mark[row] * tape.tick_size
        engine.move_to(self._end_of(index), closes, marks=marks)
        return engine

    def _end_of(self, index: int) -> datetime:
        if index == self._bars_at:
            return self._bars[0].end
        return from_ms(int(self._timeline.starts_ms[index])) + self._timeline.interval

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        """At the close of the symbol's last bar."""
        lane = self._lanes[symbol]
        row, tape = lane.latest[self.index], lane.tape
        return None if row < 0 else tape.mark[row] * tape.tick_size

    def _step(self, index: int, bars: tuple[Bar, ...]) -> None:
        # First to the prices of the bar before: gaps and mark prices are measured from there.
        self.index = index - 1
        self.catch_up()
        self._caught_up = self.index = index
        by_symbol = {bar.symbol: bar for bar in bars}
        marks: dict[Symbol, Decimal] | None = None
        if self._marked:
            lanes = [(symbol, self._lanes[symbol]) for symbol in by_symbol]
            marks = {symbol: lane.tape.price(lane.tape.mark[lane.rows[index]]) for symbol, lane in lanes}
        funding = None
        if self._funding:
            funding = {s: due[index] for s, due in self._funding.items() if index in due and s in by_symbol}
        self.engine.step(by_symbol, marks=marks, funding=funding)

    def _plan(self) -> None:
        """Find the next bar to be walked, as far as it is worth looking."""
        following = self.index + 1
        nearest, walks = following + self._look, False
        if self._every_bar:
            nearest, walks = following, True
        for symbol, lane in self._lanes.items():
            if nearest == following and walks:
                break
            quiet = self.engine.quiet_range(symbol)
            if quiet is None:
                nearest, walks = following, True
                break
            if quiet is NOTHING_AT_STAKE:
                continue
            found = self._first_outside(symbol, lane, quiet.low, quiet.high, nearest)
            if found < nearest:
                nearest, walks = found, True
        self.next_step, self._walks_next = min(nearest, self._length), walks

    def _first_outside(self, symbol: Symbol, lane: Lane, low: Decimal, high: Decimal, before: int) -> int:
        """The first index after the present one, and before the one given, whose bar leaves the range or has funding
        due; that one itself when there is none."""
        funding = self._funding_at.get(symbol)
        if funding is not None:
            place = int(np.searchsorted(funding, self.index + 1))
            if place < len(funding):
                before = min(before, int(funding[place]))
        row = lane.latest[self.index] + 1
        last = lane.latest[min(before, self._length) - 1] + 1
        tick = lane.tape.tick_size
        lowest = int(whole_ceiling(low / tick)) if low.is_finite() else -1
        highest = int(whole_floor(high / tick)) if high.is_finite() else sys.maxsize
        nearest = self._reach[symbol].first_outside(row, last, lowest, highest)
        if nearest == last:
            return before
        return nearest if lane.is_whole else self._timeline.index_of(int(lane.tape.starts_ms[nearest]))


class _Reach:
    """The lowest and highest price of any kind in each bar, in ticks: traded, marked inside the bar at the basis of the
    bar before, and marked at the close. With those of whole blocks beside them, because most looks ahead find nothing.
    """

    def __init__(self, tape: Tape) -> None:
        self._lows, self._highs = tape.low, tape.high
        if tape.mark is not tape.close:
            low, high, mark = as_numpy(tape.low), as_numpy(tape.high), as_numpy(tape.mark).astype(np.int64)
            basis = np.concatenate([[0], mark[:-1] - as_numpy(tape.close)[:-1]])
            self._lows = as_column(np.minimum(np.minimum(low, low + basis), mark))
            self._highs = as_column(np.maximum(np.maximum(high, high + basis), mark))
        edges = np.arange(0, len(tape), _BLOCK)
        self._block_lows = as_column(np.minimum.reduceat(as_numpy(self._lows), edges))
        self._block_highs = as_column(np.maximum.reduceat(as_numpy(self._highs), edges))

    def first_outside(self, row: int, last: int, lowest: int, highest: int) -> int:
        """The first row in [row, last) that reaches the lowest or the highest price given, else `last`."""
        lows, highs = self._lows, self._highs
        block_lows, block_highs = self._block_lows, self._block_highs
        while row < last:
            block = row // _BLOCK
            end = min((block + 1) * _BLOCK, last)
            if block_lows[block] <= lowest or block_highs[block] >= highest:
                # One by one: an operation on an array of so few takes as long to begin.
                while row < end:
                    if lows[row] <= lowest or highs[row] >= highest:
                        return row
                    row += 1
            row = end
        return last


def _funding_by_index(recordings: Recordings, timeline: Timeline) -> Mapping[Symbol, Mapping[int, Decimal]]:
    """Rates by the index of the bar at whose start they are paid. What was due in a gap is paid where it ends."""
    found: dict[Symbol, Mapping[int, Decimal]] = {}
    for symbol, rates in recordings.funding.items():
        rows = timeline.lanes[symbol].tape.starts_ms
        due: defaultdict[int, Decimal] = defaultdict(Decimal)
        for at_ms, rate in rates.items():
            row = int(np.searchsorted(rows, at_ms))
            if row < len(rows):
                due[timeline.index_of(int(rows[row]))] += rate
        found[symbol] = dict(due)
    return found
