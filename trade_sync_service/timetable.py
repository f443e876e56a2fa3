"""When what is done: a timetable on APScheduler that survives a clock that is set."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

log = structlog.get_logger()

_CLOCK_WAS_SET_BY = timedelta(seconds=30)


class Timetable:
    """Jobs by name. A job that is still running when it is due again is not started twice, and one that was missed runs
    once as soon as it can.

    APScheduler counts by the wall clock: when that is set back by hours, everything would wait for hours. `look`
    notices by the monotonic clock and has every job run now, as it does when the clock was set forward; a daily job
    keeps its hour.
    """

    def __init__(
        self,
        threads: int,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._seen = (clock(), monotonic())
        # It tells of every run of every job, as information.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)

    def every(self, name: str, interval: timedelta, work: Callable[[], object], *, first_after: timedelta) -> None:
        """Does it again and again, for the first time after `first_after`."""
        self._scheduler.add_job(
            work, IntervalTrigger(seconds=interval.total_seconds()), id=name, next_run_time=self._clock() + first_after
        )

    def daily(self, name: str, work: Callable[[], object], *, hour: int, minute: int) -> None:
        """Does it once a day at this time, UTC."""
        self._scheduler.add_job(work, CronTrigger(hour=hour, minute=minute, timezone=UTC), id=name)

    def once(self, name: str, work: Callable[[], object], *, after: timedelta) -> None:
        """Does it once; an earlier one of this name that has not begun is forgotten."""
        self._scheduler.add_job(work, DateTrigger(self._clock() + after), id=name, replace_existing=True)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """Begins nothing more and waits for what is under way."""
        if self._scheduler.running:
            # A shutdown in the middle of its loop's turn would have the loop fail over the single run it just began:
            # held back first, and a look at the jobs waits for that turn.
            self._scheduler.pause()
            self._scheduler.get_jobs()
            self._scheduler.shutdown(wait=True)

    def look(self) -> timedelta | None:
        """To be called every second or so, once started. Answers by how much the wall clock was set since the last
        look, None when it went on as it should. When it was set everything is due at once, but a daily job only if its
        hour was passed over."""
        (wall, steady), now = self._seen, (self._clock(), self._monotonic())
        self._seen = now
        by = (now[0] - wall) - timedelta(seconds=now[1] - steady)
        if abs(by) < _CLOCK_WAS_SET_BY:
            return None
        log.warning("clock_was_set", by_s=by.total_seconds())
        for job in self._scheduler.get_jobs():
            if isinstance(job.trigger, IntervalTrigger):
                # Anew from now: the trigger counts from the time at which it was made.
                trigger = IntervalTrigger(seconds=job.trigger.interval.total_seconds(), start_date=now[0])
                job.modify(trigger=trigger, next_run_time=now[0])
            elif isinstance(job.trigger, CronTrigger):
                # One whose hour was passed over is due now, as it is.
                if job.next_run_time > now[0]:
                    job.reschedule(job.trigger)
            else:
                job.modify(next_run_time=now[0])
        self._scheduler.wakeup()
        return by

    def next_run(self, name: str) -> datetime | None:
        """When a job is due, wall clock."""
        job = self._scheduler.get_job(name)
        due: datetime | None = None if job is None else job.next_run_time
        return due
