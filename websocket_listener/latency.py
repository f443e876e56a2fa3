from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.ledger.fill_rows import RecordedFill


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Milliseconds; None where nothing has been measured. `count` is over the process's life."""

    p50_ms: float | None
    p99_ms: float | None
    count: int

    def as_json(self) -> dict[str, float | int | None]:
        return {"p50": self.p50_ms, "p99": self.p99_ms, "n": self.count}


class LatencyWindow:
    """The newest samples of one latency, and their percentiles. One thread adds, any may ask."""

    def __init__(self, size: int = 10_000) -> None:
        self._samples: deque[float] = deque(maxlen=size)
        self._count = 0

    def add(self, milliseconds: Sequence[float]) -> None:
        self._samples.extend(milliseconds)
        self._count += len(milliseconds)

    def summary(self) -> LatencySummary:
        samples = sorted(self._samples.copy())
        return LatencySummary(percentile(samples, 50), percentile(samples, 99), self._count)


def milliseconds_since_frames(fills: Iterable[RecordedFill], at: datetime) -> list[float]:
    """From the creation of each fill's frame until `at`; fills that came by REST have none."""
    return [(at - fill.frame_at).total_seconds() * 1000 for fill in fills if fill.frame_at is not None]


def percentile(ascending: Sequence[float], percent: float) -> float | None:
    """The smallest sample that at least `percent` of the samples do not exceed (nearest rank); None without samples."""
    if not ascending:
        return None
    rank = max(1, math.ceil(len(ascending) * percent / 100))
    return round(ascending[rank - 1], 3)
