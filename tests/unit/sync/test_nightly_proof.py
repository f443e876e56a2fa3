"""A proof that cannot be made is told and tried again, however well the account is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import apscheduler.schedulers.base
import pytest

from alpha.domain.ids import AccountName
from alpha.exchange.errors import ExchangeUnreachable
from alpha.ledger.connection import LedgerUnavailable
from tests.support import eventually
from trade_sync_service.nightly_proof import NightlyProof
from trade_sync_service.timetable import Timetable

MAIN = AccountName("main")
MIDNIGHT = datetime(2026, 3, 29, tzinfo=UTC)


class Later:
    """A timetable that is read and not waited for."""

    def __init__(self) -> None:
        self.waiting: dict[str, tuple[timedelta, Callable[[], object]]] = {}

    def once(self, name: str, work: Callable[[], object], *, after: timedelta) -> None:
        self.waiting[name] = (after, work)

    def run_all(self) -> int:
        """Everything that is due, until nothing is; how often that was."""
        count = 0
        while self.waiting:
            _, (_, work) = self.waiting.popitem()
            work()
            count += 1
        return count


class Told:
    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []

    def alert(self, kind: str, text: str, **_: Any) -> None:
        self.alerts.append((kind, text))


class Worker:
    """An account that is compared without trouble, unless told otherwise."""

    name = MAIN

    def __init__(self, failure: str | None = None) -> None:
        self.failure = failure

    def run(self, *, until: datetime | None = None, after: Callable[[Any], None] | None = None) -> Any:  # noqa: ARG002
        done = SimpleNamespace(ok=self.failure is None, failure=self.failure and SimpleNamespace(text=self.failure))
        if after is not None and done.ok:
            after(None)
        return done


def nightly(worker: Worker, judge: Callable[..., None]) -> tuple[NightlyProof, Later, Told]:
    later, told = Later(), Told()
    workers: dict[AccountName, Any] = {MAIN: worker}
    return NightlyProof(workers, later, None, told, judge=judge), later, told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable("canceling statement due to statement timeout"),
        ExchangeUnreachable("no answer", operation="tests"),
        KeyError("x"),
    ],
)
def test_a_proof_that_cannot_be_made_is_told_and_tried_again_for_some_hours(error: Exception) -> None:
    def judge(*_: Any) -> None:
        raise error

    proof, later, told = nightly(Worker(), judge)
    proof.run()
    ((kind, text),) = told.alerts
    assert kind == "proof_not_made"
    assert "could not be judged (1 of 5 times)" in text
    assert later.run_all() == 4
    assert told.alerts[-1][1].endswith("tried again tomorrow, see alpha proof")
    assert len(told.alerts) == 5


def test_an_account_that_was_not_compared_is_not_judged_and_that_is_told() -> None:
    judged: list[object] = []
    proof, later, told = nightly(Worker("the key is no more"), lambda *_: judged.append(1))
    proof.run()
    assert judged == []
    assert "the key is no more; tried again in" in told.alerts[0][1]
    assert later.waiting


def test_after_one_that_could_be_made_there_is_nothing_to_do() -> None:
    failing = [LedgerUnavailable("away")]

    def judge(*_: Any) -> None:
        if failing:
            raise failing.pop()

    proof, later, told = nightly(Worker(), judge)
    proof.run()
    assert later.run_all() == 1
    assert len(told.alerts) == 1


class Clock:
    """A wall clock that begins where a test says, goes on by itself and can be set."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def set_to(self, time: datetime) -> None:
        self.ahead = time - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Night:
    """The proof in the timetable it has in the service, on such a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.judged: list[datetime] = []
        self.asked_for_verdict: list[datetime] = []
        self.failing = False

    def begin(self, at: datetime) -> None:
        self.clock.set_to(at)
        self.timetable = Timetable(threads=2, clock=self.clock.now)
        workers: dict[AccountName, Any] = {MAIN: Worker()}
        proof = NightlyProof(workers, self.timetable, None, Told(), judge=self._judge)  # type: ignore[arg-type]
        proof.tell_missing = lambda: self.asked_for_verdict.append(self.clock.now())  # type: ignore[method-assign]
        proof.start()
        self.timetable.start()

    def set_clock(self, to: datetime) -> None:
        """As a person or a time server does; the service looks every second."""
        self.clock.set_to(to)
        assert self.timetable.look() is not None

    def _judge(self, *_: Any) -> None:
        self.judged.append(self.clock.now())
        if self.failing:
            raise LedgerUnavailable("away")


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    made = Night()

    class OnThatClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return made.clock.now().astimezone(tz)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", OnThatClock)
    yield made
    made.timetable.stop()


def test_it_is_made_at_twenty_past_midnight_and_asked_for_at_twenty_past_six(night: Night) -> None:
    due = MIDNIGHT + timedelta(minutes=20)
    night.begin(MIDNIGHT - timedelta(hours=1))
    assert night.timetable.next_run("proof") == due
    assert night.timetable.next_run("proof deadline") == MIDNIGHT + timedelta(hours=6, minutes=20)
    night.set_clock(due - timedelta(seconds=0.5))
    eventually(lambda: night.judged, what="the night's proof")
    eventually(lambda: night.timetable.next_run("proof") == due + timedelta(days=1), what="the next night's")
    assert due <= night.judged[0] < due + timedelta(minutes=1)
    assert len(night.judged) == 1
    assert night.asked_for_verdict == []


def test_a_clock_that_is_set_past_midnight_has_it_made_at_once(night: Night) -> None:
    night.begin(MIDNIGHT - timedelta(hours=1))
    night.set_clock(MIDNIGHT + timedelta(hours=2))
    eventually(lambda: night.judged, what="the night's proof")
    eventually(
        lambda: night.timetable.next_run("proof") == MIDNIGHT + timedelta(days=1, minutes=20), what="the next night's"
    )
    assert len(night.judged) == 1
    # the verdict is asked for at its hour
    assert night.asked_for_verdict == []
    assert night.timetable.next_run("proof deadline") == MIDNIGHT + timedelta(hours=6, minutes=20)


def test_a_clock_that_is_set_back_does_not_have_it_wait_for_another_day(night: Night) -> None:
    night.begin(MIDNIGHT + timedelta(hours=1))
    assert night.timetable.next_run("proof") == MIDNIGHT + timedelta(days=1, minutes=20)
    night.set_clock(MIDNIGHT - timedelta(hours=2))
    assert night.timetable.next_run("proof") == MIDNIGHT + timedelta(minutes=20)
    assert night.judged == []


def test_one_that_could_not_be_made_is_tried_again_ten_and_then_thirty_minutes_later(night: Night) -> None:
    night.failing = True
    night.begin(MIDNIGHT)
    night.set_clock(MIDNIGHT + timedelta(minutes=20))
    eventually(lambda: night.judged, what="the night's proof")
    for tries, wait in enumerate((timedelta(minutes=10), timedelta(minutes=30)), start=1):
        eventually(lambda: night.timetable.next_run(f"proof {MAIN}"), what="another try")
        again = night.timetable.next_run(f"proof {MAIN}")
        assert again is not None
        assert abs(again - night.judged[-1] - wait) < timedelta(minutes=1)
        assert len(night.judged) == tries
        # when its time comes
        night.set_clock(again)
        eventually(lambda: len(night.judged) == tries + 1, what="the try")  # noqa: B023
