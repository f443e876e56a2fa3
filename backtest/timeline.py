"""All symbols' rows on one line of time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alpha.candles.tape import Tape, TapeBar
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol

_MILLISECOND: Final = timedelta(milliseconds=1)
_BLOCK: Final = 1024
"""How many bars are made at a time."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One symbol on the timeline. `rows[i]` is its row at index i, -1 where it has no bar; `latest[i]` the row of its
    last bar by then, -1 before the first. For a symbol that has every bar both are the index itself."""

    tape: Tape
    rows: Sequence[int]
    latest: Sequence[int]

    @property
    def is_whole(self) -> bool:
        """Whether it has every bar."""
        return isinstance(self.rows, range)

    def changes_between(self, first: int, last: int) -> Sequence[int]:
        """The indices within (first, last) at which its bars begin or end."""
        if self.is_whole:
            return ()
        is_there = np.array(self.rows[first:last], dtype=np.int64) >= 0
        changes: list[int] = (np.flatnonzero(np.diff(is_there)) + first + 1).tolist()
        return changes

    def latest_between(self, first: int, last: int) -> NDArray[np.int64]:
        """`latest` at the indices [first, last)."""
        if isinstance(self.latest, range):
            return np.arange(first, last)
        return np.array(self.latest[first:last], dtype=np.int64)


class Timeline:
    """The instants at which at least one symbol has a bar, oldest first, and what each symbol has there."""

    def __init__(self, tapes: Mapping[Symbol, Tape], interval: timedelta) -> None:
        self.interval = interval
        self.starts_ms: NDArray[np.int64] = _all_of([tape.starts_ms for tape in tapes.values()])
        self.lanes = {symbol: self._lane(tape) for symbol, tape in tapes.items()}

    def __len__(self) -> int:
        return len(self.starts_ms)

    def index_of(self, start_ms: int) -> int:
        """The first index that opens at or after the time; the length when there is none."""
        return int(np.searchsorted(self.starts_ms, start_ms))

    def runs(self, first: int, last: int) -> Sequence[tuple[int, int]]:
        """[first, last) cut where no symbol has a bar, so that within a run each bar opens when the one before ends."""
        step = self.interval // _MILLISECOND
        breaks = np.flatnonzero(np.diff(self.starts_ms[first:last]) != step) + first + 1
        return [(start, end) for start, end in pairwise([first, *breaks.tolist(), last]) if start < end]

    def bars(self, first: int, last: int) -> Iterator[tuple[TapeBar, ...]]:
        """What the symbols have at each index of [first, last), which lies within one of `runs`."""
        return chain.from_iterable(self.blocks(first, last))

    def blocks(self, first: int, last: int) -> Iterator[Iterator[tuple[TapeBar, ...]]]:
        """The same in pieces."""
        changes = {index for lane in self.lanes.values() for index in lane.changes_between(first, last)}
        # Between two of these the same symbols have a bar at each index, so their rows go side by side.
        for start, end in pairwise(sorted({first, last} | changes)):
            for begin in range(start, end, _BLOCK):
                yield self._side_by_side(begin, min(begin + _BLOCK, end))

    def _side_by_side(self, first: int, last: int) -> Iterator[tuple[TapeBar, ...]]:
        start = from_ms(int(self.starts_ms[first]))
        there = [(lane.tape, row) for lane in self.lanes.values() if (row := lane.rows[first]) >= 0]
        return zip(*[tape.bars(row, row + last - first, start) for tape, row in there], strict=True)

    def _lane(self, tape: Tape) -> Lane:
        if len(tape) == len(self.starts_ms):
            return Lane(tape, range(len(tape)), range(len(tape)))
        rows = np.full(len(self.starts_ms), -1, dtype=np.int64)
        rows[np.searchsorted(self.starts_ms, tape.starts_ms)] = np.arange(len(tape))
        return Lane(tape, _column(rows), _column(np.maximum.accumulate(rows)))


def _all_of(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Every time in any of them, oldest first; mostly they are one and the same."""
    first, *others = columns
    if all(np.array_equal(first, other) for other in others):
        return first
    return np.unique(np.concatenate(columns))


def _column(values: NDArray[np.int64]) -> array[int]:
    column: array[int] = array("q")
    column.frombytes(values.tobytes())
    return column
