"""One process that shall run: started again when it dies, with a growing pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from signal import Signals

from alpha.local.children import Child
from alpha.local.errors import StartFailed

CONFIGURATION_ERROR = 2
"""Exit code of a command that cannot run as configured; starting it again changes nothing."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_HEALED_AFTER_S = 30.0
_GRACE_S = 5.0


@unique
class Change(StrEnum):
    """What happened to a process since the last look."""

    DIED = "died"
    STARTED = "started"
    GAVE_UP = "gave_up"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEvent:
    """Something a supervisor tells: of which process, what, and its exit code and last words where it ended."""

    name: str
    change: Change
    exit_code: int | None = None
    words: str = ""
    restart_in_s: float | None = None

    @property
    def ending(self) -> str:
        """How it ended. What it said last explains nothing when somebody else ended it."""
        code = self.exit_code
        if code is None or code >= 0:
            return f"ended with code {code}: {self.words}"
        try:
            return f"was ended by {Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"


class Supervised:
    """A process and the wish that it runs. `tick` brings the two together and never waits."""

    def __init__(self, name: str, spawn: Callable[[], Child], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.wanted = False
        self.restarts = 0
        self.child: Child | None = None
        self._spawn = spawn
        self._clock = clock
        self._pause_s = _FIRST_PAUSE_S
        self._not_before = 0.0
        self._started_at = 0.0
        self._stopping_since: float | None = None
        self._given_up = False
        self._restarting = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self.child is None else self.child.pid

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self.child is not None and self.child.running

    @property
    def given_up(self) -> bool:
        """Whether it ended over its configuration and is left alone until somebody wants it anew."""
        return self._given_up

    def adopt(self, child: Child) -> None:
        """Takes over a process that was started elsewhere."""
        self.child = child
        self.wanted = True
        self._started_at = self._clock()

    def want(self, wanted: bool) -> None:
        """Whether it shall run. A new wish forgets earlier failures."""
        if wanted != self.wanted:
            self.wanted = wanted
            self._given_up = False
            self._not_before = 0.0
            self._pause_s = _FIRST_PAUSE_S

    def restart(self) -> None:
        """Ends the process and starts it again at once; one that does not run is started, if it is wanted."""
        self._given_up = False
        self._not_before = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._restarting = self.child is not None

    def tick(self) -> ProcessEvent | None:
        """Starts, restarts, stops or kills as needed; says what changed."""
        if self.child is not None and not self.child.running:
            return self._ended(self.child)
        if self.child is None:
            return self._start() if self.wanted and not self._given_up and self._clock() >= self._not_before else None
        if not self.wanted or self._restarting:
            self._stop(self.child)
        return None

    def _start(self) -> ProcessEvent | None:
        self._started_at = self._clock()
        self._stopping_since = None
        try:
            self.child = self._spawn()
        except StartFailed as error:
            pause = self._next_pause()
            return ProcessEvent(name=self.name, change=Change.DIED, words=str(error), restart_in_s=pause)
        return ProcessEvent(name=self.name, change=Change.STARTED)

    def _ended(self, child: Child) -> ProcessEvent:
        self.child = None
        child.wait(0)
        code, words = child.exit_code, child.last_words()
        asked_for, self._restarting = not self.wanted or self._restarting, False
        if asked_for:
            return ProcessEvent(name=self.name, change=Change.STOPPED, exit_code=code)
        if code == CONFIGURATION_ERROR:
            self._given_up = True
            return ProcessEvent(name=self.name, change=Change.GAVE_UP, exit_code=code, words=words)
        if self._clock() - self._started_at > _HEALED_AFTER_S:
            self._pause_s = _FIRST_PAUSE_S
        self.restarts += 1
        pause = self._next_pause()
        return ProcessEvent(name=self.name, change=Change.DIED, exit_code=code, words=words, restart_in_s=pause)

    def _next_pause(self) -> float:
        pause = self._pause_s
        self._not_before = self._clock() + pause
        self._pause_s = min(pause * 2, _LONGEST_PAUSE_S)
        return pause

    def _stop(self, child: Child) -> None:
        if self._stopping_since is None:
            self._stopping_since = self._clock()
            child.ask_to_stop()
        elif self._clock() - self._stopping_since > _GRACE_S:
            child.kill()
