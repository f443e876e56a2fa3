from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from alpha.domain.clock import EPOCH


def funding_instants(first: datetime, last: datetime, interval: timedelta) -> Iterator[datetime]:
    """The instants in [first, last] at which funding is due: multiples of the interval since midnight UTC."""
    at = EPOCH + -((EPOCH - first) // interval) * interval
    while at <= last:
        yield at
        at += interval


def next_funding(after: datetime, interval: timedelta) -> datetime:
    """The first instant later than the time given."""
    return EPOCH + ((after - EPOCH) // interval + 1) * interval
