"""The wall clock of the server: signatures, envelopes and frames run on it, never the market's times."""

from __future__ import annotations

import time


class WallClock:
    """`skew_ms` is by how much it is wrong on purpose."""

    def __init__(self) -> None:
        self.skew_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.skew_ms
