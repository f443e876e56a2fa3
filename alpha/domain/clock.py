"""Times are aware UTC; milliseconds exist on the wire only, and these are the two doors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from alpha.domain.errors import InvalidValue

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
# Until 2109 the nearest float of the seconds is less than a quarter of a microsecond off, so that rounding to
# microseconds gives the millisecond itself. It takes half as long, and every message has several times.
_FLOAT_IS_EXACT_MS: Final = 1 << 42


def from_ms(milliseconds: int) -> datetime:
    """Milliseconds since the epoch to an aware UTC time, exactly."""
    if 0 <= milliseconds < _FLOAT_IS_EXACT_MS:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(time: datetime) -> int:
    """An aware time to milliseconds since the epoch, rounded down.

    Raises InvalidValue for a naive time.
    """
    since = require_aware(time) - EPOCH
    # As a division by a millisecond gives, at a fifth of the cost.
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def require_aware(time: datetime) -> datetime:
    """The time itself. Raises InvalidValue when it carries no zone: such a time means something else on every host."""
    if time.tzinfo is None:
        raise InvalidValue(f"time {time.isoformat()} has no time zone; every time is aware UTC")
    return time
