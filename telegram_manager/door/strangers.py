"""People who are not let in: they hear nothing, and whoever keeps trying is told of."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

ATTEMPTS = 3
"""So many within `WITHIN` are told of, and then not again for as long."""
WITHIN = timedelta(minutes=10)
_REMEMBERED = 1000


class Strangers:
    """Counts attempts per user, of the latest thousand users."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._attempts: OrderedDict[int, deque[datetime]] = OrderedDict()
        self._told: dict[int, datetime] = {}

    def knocked(self, user: int) -> bool:
        """Notes an attempt; whether somebody should be told of this user now."""
        now = self._clock()
        attempts = self._attempts.setdefault(user, deque(maxlen=ATTEMPTS))
        self._attempts.move_to_end(user)
        attempts.append(now)
        while len(self._attempts) > _REMEMBERED:
            forgotten, _ = self._attempts.popitem(last=False)
            self._told.pop(forgotten, None)
        keeps_trying = len(attempts) == ATTEMPTS and now - attempts[0] <= WITHIN
        told = self._told.get(user)
        if not keeps_trying or (told is not None and now - told < WITHIN):
            return False
        self._told[user] = now
        return True
