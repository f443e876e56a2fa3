"""Listeners that have to begin anew do so one after the other, so that one of them always hears the accounts."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from alpha.live.connection import LIVE_ERRORS
from alpha.live.turns import take_turn

STANDBYS_FIRST_S = 30.0
"""Who records an account leaves the first turn to who stands by: then each account changes hands once, not twice."""
_TURN_S = 120
"""By then a listener that has ended is back and stands by."""


class Turn:
    """Asked again and again by one listener that wants to end. Without Redis nobody's turn comes: it can wait."""

    def __init__(
        self,
        flags: redis.Redis,
        holder: str,
        records_any: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`records_any` tells whether the listener is the one that records some account."""
        self._flags, self._holder, self._records_any, self._clock = flags, holder, records_any, clock
        self._asked_since_s: float | None = None

    def has_come(self) -> bool:
        now_s = self._clock()
        if self._asked_since_s is None:
            self._asked_since_s = now_s
        if self._records_any() and now_s - self._asked_since_s < STANDBYS_FIRST_S:
            return False
        try:
            return take_turn(self._flags, self._holder, for_s=_TURN_S)
        except LIVE_ERRORS:
            return False
