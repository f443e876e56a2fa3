from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol

ExecKey = tuple[Symbol, ExecId]


class HeardExecutions:
    """What the stream of one account has told, as testimony against REST, which lags and may be cut short.

    An execution heard of that REST does not show keeps its interval from being proven; one that REST shows and the
    stream never told says that the stream is deaf. Kept until proven, and bounded: what is forgotten costs this check.
    There may be many, so only hashes of their keys are kept: that two are equal by chance is as unlikely as a collision
    of 64 bits.
    """

    def __init__(self, *, kept: int = 200_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._times: dict[int, datetime] = {}
        self._newest: datetime | None = None
        self.count = 0
        """How many executions were told so far."""
        self.until_break: datetime | None = None
        """Market time of the latest execution heard before the connection last broke off."""

    def note(self, fills: Iterable[Fill]) -> None:
        with self._lock:
            for fill in fills:
                self.count += 1
                self._times[hash((fill.symbol, fill.exec_id))] = fill.exec_time
                if self._newest is None or fill.exec_time > self._newest:
                    self._newest = fill.exec_time
            if len(self._times) > self._kept:
                # Many at once: finding the oldest passes over all the places that were left empty since.
                for key in list(islice(self._times, self._kept // 10 + 1)):
                    del self._times[key]

    def untold_by(self, told: set[ExecKey], since: datetime, until: datetime) -> int:
        """How many executions heard with since <= exec_time < until (market clock) are not among those REST told."""
        known = set(map(hash, told))
        with self._lock:
            return sum(1 for key, time in self._times.items() if since <= time < until and key not in known)

    def lacks(self, key: ExecKey) -> bool:
        with self._lock:
            return hash(key) not in self._times

    def broke_off(self) -> None:
        """The connection is gone; what is heard from now on came by another one."""
        self.until_break = self._newest

    def forget_between(self, since: datetime, until: datetime) -> None:
        """The interval since <= exec_time < until is proven."""
        with self._lock:
            # Another dictionary: one that things are deleted from stays as large as it was.
            self._times = {key: time for key, time in self._times.items() if not since <= time < until}
