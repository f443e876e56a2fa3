from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.ids import AccountName
from alpha.ledger.sync_status import (
    MILLISECOND,
    SyncStatus,
    SyncTask,
    SyncWindow,
    read_until,
    window_of,
    windows_of,
)
from tests.unit.sync.books import MONDAY
from trade_sync_service.backfill import months_before
from trade_sync_service.comparison import grouped
from trade_sync_service.proven import is_proven

WEEK = timedelta(days=7)
LOG = SyncTask.ACCOUNT_LOG
times = st.datetimes(datetime(2016, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


def status(weeks_before: int, *, days_read: int | None, complete: bool) -> SyncStatus:
    window = window_of(MONDAY - weeks_before * WEEK)
    return SyncStatus(
        account=AccountName("canary"),
        task=LOG,
        window=window,
        through=None if days_read is None else window.start + timedelta(days=days_read),
        complete=complete,
        ok=True,
        rows_read=0,
        findings=0,
        failures=0,
        cause="",
        detail="",
        ran_at=MONDAY,
        ok_at=None,
    )


def test_windows_are_weeks_from_monday_on() -> None:
    assert window_of(MONDAY) == SyncWindow(MONDAY, MONDAY + WEEK - MILLISECOND)
    assert window_of(MONDAY - MILLISECOND).end == MONDAY - MILLISECOND
    assert MONDAY.weekday() == 0


@given(times, times)
def test_windows_cover_everything_once(one: datetime, other: datetime) -> None:
    since, until = sorted((one, other))
    windows = windows_of(since, until)
    assert windows[0].start <= since
    assert windows[-1].end >= until - MILLISECOND
    for before, after in itertools.pairwise(windows):
        assert after.start == before.end + MILLISECOND


def test_reading_goes_on_where_the_first_window_without_an_end_stopped() -> None:
    since = MONDAY - 3 * WEEK
    said = [
        status(3, days_read=7, complete=True),
        status(2, days_read=3, complete=False),
        status(0, days_read=1, complete=False),
    ]
    assert read_until(said, LOG, since) == MONDAY - 2 * WEEK + timedelta(days=3)
    assert read_until(said, SyncTask.EXECUTIONS, since) == since
    assert read_until([], LOG, since) == since
    assert read_until([status(3, days_read=None, complete=False)], LOG, since) == since


@pytest.mark.parametrize(
    ("at", "months", "expected"),
    [
        (datetime(2026, 3, 31, 12, tzinfo=UTC), 1, datetime(2026, 2, 28, 12, tzinfo=UTC)),
        (datetime(2026, 1, 15, tzinfo=UTC), 1, datetime(2025, 12, 15, tzinfo=UTC)),
        (datetime(2024, 2, 29, tzinfo=UTC), 12, datetime(2023, 2, 28, tzinfo=UTC)),
        (datetime(2026, 3, 31, tzinfo=UTC), 24, datetime(2024, 3, 31, tzinfo=UTC)),
    ],
)
def test_so_many_months_ago_is_the_same_day_or_the_last_one(at: datetime, months: int, expected: datetime) -> None:
    assert months_before(at, months) == expected


def test_times_near_each_other_are_one_stretch() -> None:
    minutes = [MONDAY + timedelta(minutes=minute) for minute in (0, 30, 5, 12, 100)]
    apart = timedelta(minutes=10)
    assert [(start - MONDAY, end - MONDAY) for start, end in grouped(minutes, apart)] == [
        (timedelta(0), timedelta(minutes=12)),
        (timedelta(minutes=30), timedelta(minutes=30)),
        (timedelta(minutes=100), timedelta(minutes=100)),
    ]
    assert list(grouped([], apart)) == []


def test_the_end_of_a_proven_stretch_is_not_within_it() -> None:
    stretches = [(MONDAY, MONDAY + WEEK), (MONDAY + 2 * WEEK, MONDAY + 3 * WEEK)]
    assert is_proven(stretches, MONDAY)
    assert not is_proven(stretches, MONDAY + WEEK)
    assert not is_proven(stretches, MONDAY - MILLISECOND)
    assert is_proven(stretches, MONDAY + 3 * WEEK - MILLISECOND)
    assert not is_proven([], MONDAY)
