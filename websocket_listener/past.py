"""What has been read of an account's past and is not proven yet, in stretches that are read a second time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.fill import Fill
from alpha.exchange.executions import MILLISECOND, ExecutionWindow

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Which executions a reading brought, in constant space: their number, and the sum of their identities' hashes.

    Equal sets have equal fingerprints; that two different ones have is as unlikely as a collision of 64 bits.
    """

    count: int = 0
    total: int = 0

    def __add__(self, other: Fingerprint) -> Fingerprint:
        return Fingerprint(self.count + other.count, (self.total + other.total) % (1 << 64))


def fingerprint(fills: Iterable[Fill]) -> Fingerprint:
    count = total = 0
    for fill in fills:
        count += 1
        total += hash((fill.symbol, fill.exec_id, fill.exec_time))
    return Fingerprint(count, total % (1 << 64))


@dataclass(frozen=True, slots=True)
class Reading:
    """One stretch read to the last page.

    `start` and `end` are asked for, both included. What counts is exec_time < `limit`, and once that is proven, the
    proven interval ends at `proves_to`. `read_at_s` is monotonic. `whole` says that every row could be read and stored.
    `doubts` counts the second looks that proved nothing, and `doubt` is what spoke against the last of them.
    """

    start: datetime
    end: datetime
    limit: datetime
    proves_to: datetime
    found: Fingerprint
    read_at_s: float
    whole: bool
    doubts: int = 0
    doubt: str = ""

    def counted(self, fills: Iterable[Fill]) -> list[Fill]:
        return [fill for fill in fills if self.start <= fill.exec_time < self.limit]

    def lies_in(self, stretch: Stretch) -> bool:
        # A stretch begins at any microsecond, a reading at the millisecond before.
        return stretch[0] - MILLISECOND < self.start and self.proves_to <= stretch[1]


def reading_of(window: ExecutionWindow, stretch: Stretch, until: datetime, read_at_s: float, *, whole: bool) -> Reading:
    """What is known of a window of the stretch after it was read for the first time.

    In the very millisecond of `until`, when the reading began, more may still happen: it is recorded and counts next
    time. Any other window is complete up to its last millisecond, and the next one begins right after it.
    """
    after = window.end + MILLISECOND
    is_now = stretch[1] >= until and after > until
    limit = until if is_now else after
    return Reading(
        start=window.start,
        end=window.end,
        limit=limit,
        proves_to=min(limit, stretch[1]),
        found=fingerprint(fill for fill in window.fills if fill.exec_time < limit),
        read_at_s=read_at_s,
        whole=whole,
    )


def unread(stretch: Stretch, readings: Sequence[Reading]) -> list[Stretch]:
    """What is left of a stretch beside the readings that lie in it: to be read for the first time."""
    left = []
    start, end = stretch
    for reading in sorted(readings, key=lambda each: each.start):
        if reading.start > start:
            left.append((start, reading.start - MILLISECOND))
        start = max(start, reading.proves_to)
    if start < end or not readings:
        left.append((start, end))
    return [(start, end) for start, end in left if start <= end]
