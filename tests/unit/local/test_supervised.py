"""A supervised process: restarts with a growing pause, gives up on configuration errors, stops when unwanted."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from alpha.local.children import Child
from alpha.local.supervised import Change, ProcessEvent, Supervised
from tests.support import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Program:
    """Makes children that run a piece of Python."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder
        self.code = code
        self.started = 0

    def __call__(self) -> Child:
        self.started += 1
        child = Child("p", [sys.executable, "-c", self.code], env=dict(os.environ), log=self.folder / "p.log")
        child.start()
        return child


@pytest.fixture
def clock() -> Clock:
    return Clock()


def next_event(process: Supervised) -> ProcessEvent:
    return eventually(process.tick, what="an event of the process")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "ended with code 1: 10:45:01 error no_such_symbol symbol=XUSDT"),
        (-9, "was ended by SIGKILL"),
        (-250, "was ended by signal 250"),
    ],
)
def test_an_end_is_told_as_a_person_reads_it(code: int, told: str) -> None:
    words = "10:45:01 error no_such_symbol symbol=XUSDT"
    assert ProcessEvent(name="p", change=Change.DIED, exit_code=code, words=words).ending == told


def test_the_last_words_are_a_readable_line(tmp_path: Path, clock: Clock) -> None:
    line = '{"symbol": "XUSDT", "event": "no_such_symbol", "time": "2026-11-21T10:45:01Z", "severity": "error"}'
    process = Supervised("p", Program(tmp_path, f"import sys; sys.exit({line!r})"), clock=clock)
    process.want(True)
    assert next_event(process).change is Change.STARTED
    assert next_event(process).words == "10:45:01 error no_such_symbol symbol=XUSDT"


def test_what_dies_is_started_again_after_pauses_that_double(tmp_path: Path, clock: Clock) -> None:
    program = Program(tmp_path, "import sys; sys.exit('broken')")
    process = Supervised("p", program, clock=clock)
    process.want(True)
    pauses = []
    for expected_start in range(1, 9):
        assert next_event(process).change is Change.STARTED
        assert program.started == expected_start
        died = next_event(process)
        assert (died.change, died.exit_code, died.words) == (Change.DIED, 1, "broken")
        assert died.restart_in_s is not None
        pauses.append(died.restart_in_s)
        assert process.tick() is None  # not before the pause is over
        clock.now += died.restart_in_s
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert process.restarts == 8


def test_who_ran_for_long_is_started_again_soon(tmp_path: Path, clock: Clock) -> None:
    process = Supervised("p", Program(tmp_path, "import time; time.sleep(60)"), clock=clock)
    process.want(True)
    pauses = []
    for ran_for_s in (1.0, 1.0, 31.0):
        assert next_event(process).change is Change.STARTED
        assert process.child is not None
        clock.now += ran_for_s
        process.child.send(signal.SIGKILL)
        died = next_event(process)
        assert died.exit_code == -signal.SIGKILL
        assert died.restart_in_s is not None
        pauses.append(died.restart_in_s)
        clock.now += died.restart_in_s
    assert pauses == [0.2, 0.4, 0.2]


def test_a_configuration_error_is_not_tried_again_until_wanted_anew(tmp_path: Path, clock: Clock) -> None:
    program = Program(tmp_path, "import sys; print('X is not set', file=sys.stderr); sys.exit(2)")
    process = Supervised("p", program, clock=clock)
    process.want(True)
    assert next_event(process).change is Change.STARTED
    gave_up = next_event(process)
    assert (gave_up.change, gave_up.words) == (Change.GAVE_UP, "X is not set")
    clock.now += 1000
    assert process.tick() is None
    assert program.started == 1
    process.want(False)
    process.want(True)
    assert next_event(process).change is Change.STARTED
    assert process.child is not None
    process.child.kill()


def test_what_is_not_wanted_any_more_is_stopped_and_stays_so(tmp_path: Path, clock: Clock) -> None:
    process = Supervised("p", Program(tmp_path, "import time; time.sleep(60)"), clock=clock)
    process.want(True)
    assert next_event(process).change is Change.STARTED
    process.want(False)
    assert next_event(process).change is Change.STOPPED
    assert process.tick() is None
    assert not process.running


def test_who_does_not_stop_is_killed(tmp_path: Path, clock: Clock) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = Supervised("p", Program(tmp_path, code), clock=clock)
    process.want(True)
    assert next_event(process).change is Change.STARTED
    eventually(lambda: "up" in (tmp_path / "p.log").read_text(), what="the process is up")
    process.want(False)
    assert process.tick() is None
    clock.now += 6
    stopped = next_event(process)
    assert (stopped.change, stopped.exit_code) == (Change.STOPPED, -signal.SIGKILL)
