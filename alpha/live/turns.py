"""`listener:turn`: which listener ends to begin anew, in the database of short-lived flags. One at a time may."""

from __future__ import annotations

import redis

KEY = "listener:turn"


def take_turn(flags: redis.Redis, holder: str, *, for_s: int) -> bool:
    """Whether nobody else has the turn; then it is the holder's for so many seconds. Raises a member of LIVE_ERRORS."""
    return bool(flags.set(KEY, holder, nx=True, ex=for_s))
