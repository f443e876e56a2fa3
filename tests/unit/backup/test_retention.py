"""Thirty days, twelve weeks, twelve months: with a clock that runs for years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from database.backup.retention import Retention

START = datetime(2024, 1, 1, 2, tzinfo=UTC)


def three_years_of_days() -> Iterator[set[datetime]]:
    """What is there after each day's backup and thinning."""
    kept: set[datetime] = set()
    for day in range(3 * 365):
        kept = Retention().kept(kept | {START + timedelta(days=day)})
        yield kept


def test_after_years_the_last_days_weeks_and_months_are_there() -> None:
    kept = list(three_years_of_days())[-1]

    last = START + timedelta(days=3 * 365 - 1)  # 2026-12-30, a Wednesday
    assert last == datetime(2026, 12, 30, 2, tzinfo=UTC)
    assert {last - timedelta(days=n) for n in range(30)} <= kept
    # The newest of each ISO week is its Sunday, but for the running one.
    sundays = {datetime(2026, 12, 27, 2, tzinfo=UTC) - timedelta(weeks=n) for n in range(11)}
    assert sundays <= kept
    # The newest of each month is its last day.
    assert {datetime(2026, 1, 31, 2, tzinfo=UTC), datetime(2026, 9, 30, 2, tzinfo=UTC)} <= kept
    assert min(kept) == datetime(2026, 1, 31, 2, tzinfo=UTC)
    # The days are those of December so far, the weeks 7 Sundays before it, the months January to November.
    assert len(kept) == 30 + 7 + 11


def test_several_on_one_day_leave_the_last_once_they_are_two_days_old() -> None:
    morning, noon = START, START + timedelta(hours=10)
    later = START + timedelta(days=3)

    assert Retention().kept({morning, noon}) == {morning, noon}
    assert Retention().kept({morning, noon, later}) == {noon, later}


def test_nothing_old_goes_while_nothing_new_comes() -> None:
    long_ago = {START + timedelta(days=n) for n in range(5)}

    assert Retention().kept(long_ago) == long_ago


def test_days_are_utc_wherever_the_time_was_written() -> None:
    late = datetime.fromisoformat("2026-01-01T23:30:00-05:00")  # 2 January, 04:30 UTC
    early = datetime(2026, 1, 2, 2, tzinfo=UTC)

    assert Retention().kept({late, early, late + timedelta(days=5)}) == {late, late + timedelta(days=5)}


@given(st.sets(st.integers(0, 40_000), min_size=1, max_size=60))
def test_thinning_twice_is_thinning_once_and_the_newest_stays(hours: set[int]) -> None:
    taken = {START + timedelta(hours=n) for n in hours}

    kept = Retention().kept(taken)

    assert max(taken) in kept
    assert kept <= taken
    assert Retention().kept(kept) == kept
    assert len(kept) <= 30 + 12 + 12 + 48
