"""UTC days of the market clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

_LAST_INSTANT = timedelta(milliseconds=1)


def day_of(at: datetime) -> date:
    return at.astimezone(UTC).date()


def start_of_day(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def end_of_day(day: date) -> datetime:
    """Its last millisecond, which is how finely the exchange's clock ticks."""
    return start_of_day(day + timedelta(days=1)) - _LAST_INSTANT


def days_between(since: datetime, until: datetime) -> Sequence[date]:
    """The days of an interval, both ends included."""
    first, last = day_of(since), day_of(until)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
