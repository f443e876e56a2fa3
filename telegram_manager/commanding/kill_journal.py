"""Kills on this machine's disk: what is ordered survives the manager's end also while PostgreSQL is away."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from alpha.domain.ids import Symbol
from alpha.ledger.kills import Kill, KillKind

log = structlog.get_logger(__name__)

KILL_FOLDER = "c2"
"""Below ALPHA_HOME, where nothing else is said."""

_SUFFIX = ".json"
_LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kill and how far its record is. `is_recorded`: the ledger has it as it is here."""

    kill: Kill
    is_recorded: bool = False

    def proven(self, at: datetime, evidence: Mapping[str, Any]) -> Entry:
        return Entry(kill=replace(self.kill, proven_at=at, evidence=evidence))

    def recorded(self) -> Entry:
        return replace(self, is_recorded=True)


class Claim:
    """The right to carry a kill out, held by one process; the kernel ends it with the process."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def release(self) -> None:
        """Once more changes nothing, from whichever thread."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class KillJournal:
    """One file per kill below `folder`, replaced in one step and on the disk before a call returns.

    A disk that is full or read-only must not keep anybody from closing: what cannot be written is logged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "kills"

    def write(self, entry: Entry) -> bool:
        """False when it could not be written."""
        path = self._path(entry.kill.id)
        making = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with making.open("w", encoding="utf-8") as file:
                json.dump(_as_json(entry), file)
                file.flush()
                os.fsync(file.fileno())
            making.replace(path)
            _sync_folder(self._folder)
        except OSError as error:
            log.error("kill_not_written", kill=entry.kill.id, error=str(error))
            return False
        return True

    def remove(self, kill: str) -> None:
        """Also when it is not there. The lock stays as long as somebody holds it."""
        try:
            self._path(kill).unlink(missing_ok=True)
            self._path(kill).with_suffix(_LOCK_SUFFIX).unlink(missing_ok=True)
        except OSError as error:
            log.error("kill_not_removed", kill=kill, error=str(error))

    def is_gone(self, kill: str) -> bool:
        """Whether it was taken away; a disk that cannot be read has it still."""
        try:
            self._path(kill).stat()
        except FileNotFoundError:
            return self._folder.is_dir()
        except OSError:
            return False
        return False

    def beside(self, name: str) -> KillJournal:
        """One of its own on the same disk, that nobody carries out."""
        return KillJournal(self._folder.parent / name)

    def entries(self) -> list[Entry]:
        """Every kill that is written here, oldest first. A file that cannot be read is logged and left."""
        found = []
        try:
            paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        except OSError as error:
            log.error("kills_unreadable", error=str(error))
            return []
        for path in paths:
            try:
                found.append(_entry(json.loads(path.read_text(encoding="utf-8"))))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("kill_unreadable", path=str(path), error=repr(error))
        return sorted(found, key=lambda entry: (entry.kill.asked_at, entry.kill.id))

    def entry(self, kill: str) -> Entry | None:
        return next((entry for entry in self.entries() if entry.kill.id == kill), None)

    def claim(self, kill: str) -> Claim | None:
        """None when another process, or another thread of this one, carries it out."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path(kill).with_suffix(_LOCK_SUFFIX), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            # Twice is better than not at all: everything that is done may be done twice.
            log.error("kill_not_claimed", kill=kill, error=str(error))
            return Claim(None)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return Claim(descriptor)

    def _path(self, kill: str) -> Path:
        return self._folder / f"{kill}{_SUFFIX}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_json(entry: Entry) -> dict[str, Any]:
    kill = entry.kill
    return {
        "kill": kill.id,
        "kind": kill.kind.value,
        "scope": kill.scope,
        "symbols": None if kill.symbols is None else list(kill.symbols),
        "by": kill.by,
        "why": kill.why,
        "asked_at": kill.asked_at.isoformat(),
        "proven_at": None if kill.proven_at is None else kill.proven_at.isoformat(),
        "evidence": dict(kill.evidence),
        "is_recorded": entry.is_recorded,
    }


def _entry(raw: Mapping[str, Any]) -> Entry:
    kill = Kill(
        id=raw["kill"],
        kind=KillKind(raw["kind"]),
        scope=raw["scope"],
        symbols=None if raw["symbols"] is None else tuple(map(Symbol, raw["symbols"])),
        by=raw["by"],
        why=raw["why"],
        asked_at=datetime.fromisoformat(raw["asked_at"]),
        proven_at=None if raw["proven_at"] is None else datetime.fromisoformat(raw["proven_at"]),
        evidence=raw["evidence"],
    )
    return Entry(kill=kill, is_recorded=raw["is_recorded"])
