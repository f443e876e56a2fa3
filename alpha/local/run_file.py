"""`run.json`: how a command in another terminal finds the running platform; and the lock that allows only one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alpha.local.errors import AlreadyRunning, NotRunning
from alpha.local.private_file import write_private

_FILE = "run.json"
_LOCK = "lock"
_ASKING_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """What a supervisor tells about its platform. Holds passwords: the file is readable by its owner only."""

    pid: int
    """Of the supervisor."""
    mode: str
    started_at: str
    bots: tuple[str, ...]
    """The bots that this platform runs."""
    pids: Mapping[str, int]
    ports: Mapping[str, int]
    env: Mapping[str, Mapping[str, str]] = field(repr=False)
    """Role (owner, listener, bot, reader, commander) -> the environment in which a tool acts in that role."""
    exchange_url: str | None = None
    admin_url: str | None = None
    admin_token: str | None = field(default=None, repr=False)

    def write(self, home: Path) -> None:
        """Replaces `home/run.json` in one step."""
        write_private(home / _FILE, json.dumps(asdict(self), indent=2) + "\n")


def attach(home: Path) -> RunFile:
    """The platform that runs in this home now. Raises NotRunning."""
    path = home / _FILE
    try:
        if not _is_locked(home):
            raise NotRunning(f"no platform is running in {home}: start one with `alpha up`")
        content: dict[str, Any] = json.loads(path.read_text())
        return RunFile(**(content | {"bots": tuple(content["bots"])}))
    except PermissionError:
        raise NotRunning(f"{path} belongs to another user: ask as the user who runs the platform") from None
    except FileNotFoundError:
        raise NotRunning(f"no platform is running in {home}: start one with `alpha up`") from None
    except (ValueError, TypeError, KeyError) as error:
        raise NotRunning(f"{path} is not of this version ({error}): start the platform again") from error


class HomeLock:
    """Held by the supervisor of a home while it lives; the kernel lets go of it when the process ends in any way."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises AlreadyRunning when another supervisor holds it."""
        descriptor = os.open(self._home / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        # A command that asks whether a platform runs holds the lock for an instant; that is no platform.
        give_up = time.monotonic() + _ASKING_S
        while not (taken := _try_lock(descriptor, fcntl.LOCK_EX)) and time.monotonic() < give_up:
            time.sleep(0.02)
        if not taken:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(
                f"a platform is already running in {self._home} (pid {holder or 'unknown'}): stop it with Ctrl-C "
                "in its terminal, or set ALPHA_HOME to another directory"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def clear_home(self) -> None:
        """Deletes everything in the home but the lock itself, which must stay the same file while it is held."""
        for path in self._home.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()

    def release(self) -> None:
        """Lets go, and removes run.json, which describes nothing any more."""
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                (self._home / _FILE).unlink()
            os.close(self._descriptor)
            self._descriptor = None


def _is_locked(home: Path) -> bool:
    descriptor = os.open(home / _LOCK, os.O_RDWR)
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
