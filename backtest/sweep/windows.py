from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backtest.errors import BacktestRefused

_SHORTEST = timedelta(hours=1)
"""Of either part; what is shorter says nothing about a strategy."""


@dataclass(frozen=True, slots=True)
class Window:
    """Parameters are chosen on [start, split) and judged on [split, end)."""

    number: int
    start: datetime
    split: datetime
    end: datetime


def walk_forward(start: datetime, end: datetime, *, count: int, in_sample: float) -> Sequence[Window]:
    """`count` windows of equal length over [start, end), each choosing on the share `in_sample` of it, such that the
    judged parts follow each other without gap or overlap: together they are what choosing anew from time to time would
    have made.

    Raises BacktestRefused when there is no room for that. Instants are whole minutes.
    """
    if count < 1:
        raise BacktestRefused(f"{count} windows cannot be walked: at least 1")
    if not 0 < in_sample < 1:
        raise BacktestRefused(f"the share in sample must lie between 0 and 1, not {in_sample}")
    # One window is chosen + judged; each further one moves on by the judged part.
    judged = (end - start) * (1 - in_sample) / (in_sample + (1 - in_sample) * count)
    chosen = (end - start) - judged * count
    if min(judged, chosen) < _SHORTEST:
        raise BacktestRefused(
            f"the period from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is too short for {count} windows"
        )
    splits = [_whole(start + chosen + number * judged) for number in range(count)] + [end]
    return [
        Window(number + 1, _whole(start + number * judged), splits[number], splits[number + 1])
        for number in range(count)
    ]


def _whole(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
