"""A child process that ends with its parent, whatever ends the parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from alpha.local.errors import StartFailed
from alpha.local.service_user import ServiceUser
from telegram_manager.rendering.log_lines import readable

_LAUNCH = Path(__file__).with_name("launch.py")
_TAIL_BYTES = 4096
_LOG_LIMIT_BYTES = 20_000_000

HAS_PARENT_DEATH_SIGNAL = sys.platform == "linux"


class Child:
    """One process: started, watched, stopped.

    `env` is the whole environment of the child; secrets travel there, never in `argv`, which every user of the machine
    can read. The child gets a session of its own, so that Ctrl-C reaches the supervisor only, which then stops the
    children in order. `orphan_signal` is what the child gets when the supervisor dies without stopping it.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        user: ServiceUser | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
        guard: bool = not HAS_PARENT_DEATH_SIGNAL,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log = log
        self.started_at = 0.0  # monotonic
        self._env = dict(env)
        self._user = user
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._orphan_signal = orphan_signal
        self._guard = guard
        self._guard_end: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process. Raises StartFailed when it cannot be started.

        Must be called by a thread that lives as long as the child shall: the kernel's parent-death signal is that of
        the thread which forked, so only the main thread is accepted.
        """
        if threading.current_thread() is not threading.main_thread():
            raise StartFailed(
                f"{self.name} must be started by the main thread; a child ends with the thread that starts it"
            )
        if self.running:
            return
        self._close_guard()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        _cap(self.log)
        read_end, write_end = os.pipe() if self._guard else (-1, -1)
        user = self._user
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(int(self._orphan_signal))]
        launch += [str(user.uid), str(user.gid)] if user is not None else ["-1", "-1"]
        launch += [str(read_end), "--", *self.argv]
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    launch,
                    env=self._env,
                    cwd=self._cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(read_end,) if self._guard else (),
                )
        except OSError as error:
            if self._guard:
                os.close(write_end)
            raise StartFailed(f"cannot start {self.name} ({self.argv[0]}): {error}") from error
        finally:
            if self._guard:
                os.close(read_end)
        self._guard_end = write_end if self._guard else None
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process exists now. Reaps it when it has ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run, negative for a signal; None while it runs or before it ever ran."""
        return None if self._process is None else self._process.poll()

    def ask_to_stop(self) -> None:
        """Sends the stop signal and returns at once."""
        self.send(self._stop_signal)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal when the process runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def wait(self, within_s: float) -> bool:
        """Waits until the process has ended. False when it still runs after `within_s`."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout=max(within_s, 0.0))
        except subprocess.TimeoutExpired:
            return False
        self._close_guard()
        return True

    def stop(self, grace_s: float = 3.0) -> None:
        """Stop signal, then SIGKILL after `grace_s`. Returns when the process has ended."""
        self.ask_to_stop()
        if not self.wait(grace_s):
            self.kill()

    def kill(self) -> None:
        """SIGKILL while it runs, for it and for what it started in the group of its session; waits for its own end."""
        if self.running and self._process is not None:
            # Not only the process: initdb's own backend, for one, would go on writing into what is made anew.
            # macOS refuses what has just ended by itself.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._close_guard()

    def last_words(self) -> str:
        """The last line that the process logged, to be put into a message (so without a command's own `alpha: `)."""
        return readable(last_line(self.log)).removeprefix("alpha: ")

    def _close_guard(self) -> None:
        if self._guard_end is not None:
            os.close(self._guard_end)
            self._guard_end = None


def last_line(log: Path) -> str:
    """The last non-empty line of a log file, empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - _TAIL_BYTES, 0))
            tail = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _cap(log: Path) -> None:
    """Moves a log that has grown large aside, so that a year of restarts does not fill the disk."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(log.suffix + ".1"))
