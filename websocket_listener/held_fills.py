from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from websocket_listener.write_queue import Heard


class HeldFills:
    """Fills of the stream that wait while the gap before them is being recovered, so that they are recorded after it.

    They wait for a bounded time: afterwards they are recorded, and what recovery brings later is folded in its place.
    """

    def __init__(self, *, max_fills: int = 50_000) -> None:
        self._max_fills = max_fills
        self._lock = threading.Lock()
        self._fills: list[Heard] = []
        self._until: float | None = None

    def hold(self, for_s: float) -> None:
        """From now on fills wait, for at most `for_s`."""
        with self._lock:
            self._until = time.monotonic() + for_s

    def offer(self, fills: Sequence[Heard]) -> bool:
        """Whether the fills were taken to wait; they were not when nobody holds or too many wait already."""
        if self._until is None:
            # Nearly always; without the lock, which each frame would take.
            return False
        with self._lock:
            if self._until is None or len(self._fills) + len(fills) > self._max_fills:
                return False
            self._fills.extend(fills)
            return True

    def overdue(self) -> bool:
        if self._until is None:
            return False
        with self._lock:
            return self._until is not None and time.monotonic() > self._until

    def release_to(self, take: Callable[[list[Heard]], object]) -> None:
        """Hold no longer: the fills that waited go to `take`, in the order they came, before any that comes now."""
        with self._lock:
            fills, self._fills = self._fills, []
            if fills:
                take(fills)
            self._until = None
