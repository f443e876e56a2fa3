from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import apscheduler.schedulers.base
import pytest

from tests.support import eventually
from trade_sync_service.timetable import Timetable

HOUR = timedelta(hours=1)


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.set_by = timedelta(0)
        self.passed = timedelta(0)

    def wall(self) -> datetime:
        return datetime.now(UTC) + self.set_by + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@contextmanager
def running(timetable: Timetable) -> Iterator[Timetable]:
    try:
        yield timetable
    finally:
        timetable.stop()


@pytest.fixture
def timetable(clocks: Clocks) -> Iterator[Timetable]:
    with running(Timetable(threads=2, clock=clocks.wall, monotonic=clocks.monotonic)) as made:
        yield made


@pytest.mark.parametrize("set_by", [timedelta(hours=-5), timedelta(hours=5)])
def test_a_clock_that_is_set_makes_everything_due_at_once(
    timetable: Timetable, clocks: Clocks, set_by: timedelta
) -> None:
    timetable.every("sync", HOUR, lambda: None, first_after=HOUR)
    timetable.start()
    clocks.set_by = set_by
    by = timetable.look()
    assert by is not None
    assert abs(by - set_by) < timedelta(seconds=10)
    due = timetable.next_run("sync")
    # an hour from the new time at the latest: at once, and when that has been, an hour later
    assert due is not None
    assert due - clocks.wall() <= HOUR
    assert timetable.look() is None


def test_time_that_passes_is_no_clock_that_is_set(timetable: Timetable, clocks: Clocks) -> None:
    clocks.passed = timedelta(days=3)
    assert timetable.look() is None


def test_work_runs_again_and_again_and_never_twice_at_once(timetable: Timetable) -> None:
    running, most, runs = 0, 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most, runs
        with lock:
            running += 1
            most = max(most, running)
        # Longer than the interval.
        threading.Event().wait(0.1)
        with lock:
            running -= 1
            runs += 1

    timetable.every("work", timedelta(seconds=0.05), work, first_after=timedelta(0))
    timetable.start()
    eventually(lambda: runs >= 3, what="three runs")
    assert most == 1


def test_a_later_single_run_takes_the_place_of_an_earlier_one(timetable: Timetable) -> None:
    done: list[str] = []
    timetable.once("retry", lambda: done.append("early"), after=HOUR)
    timetable.once("retry", lambda: done.append("late"), after=timedelta(0))
    timetable.start()
    eventually(lambda: done, what="the single run")
    assert done == ["late"]


def test_it_may_be_stopped_the_moment_a_single_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    switched_every_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that a stop meets every step of the scheduler's thread
    try:
        for _ in range(60):
            timetable, begun = Timetable(threads=1), threading.Event()
            timetable.once("retry", begun.set, after=timedelta(0))
            timetable.start()
            assert begun.wait(30)
            timetable.stop()
    finally:
        sys.setswitchinterval(switched_every_s)
    assert failed == []


def test_a_daily_job_runs_when_its_hour_comes_and_is_due_again_a_day_later(
    clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a job at ten past three, an hour before
    due = datetime(2026, 3, 29, 3, 10, tzinfo=UTC)
    clocks.set_by = due - HOUR - datetime.now(UTC)

    class OfThatDay(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clocks.wall().astimezone(tz)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", OfThatDay)
    with running(Timetable(threads=2, clock=clocks.wall, monotonic=clocks.monotonic)) as timetable:
        ran_at: list[datetime] = []
        timetable.daily("pack", lambda: ran_at.append(clocks.wall()), hour=3, minute=10)
        timetable.start()
        assert timetable.next_run("pack") == due
        # when it is a moment before
        clocks.set_by += HOUR - timedelta(seconds=0.5)
        assert timetable.look() is not None
        # then the clock runs it, not before its time, and once
        eventually(lambda: ran_at, what="the daily job")
        assert ran_at[0] >= due
        eventually(lambda: timetable.next_run("pack") == due + timedelta(days=1), what="the job to be due tomorrow")
        assert len(ran_at) == 1
