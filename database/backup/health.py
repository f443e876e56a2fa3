"""Whether backups can be relied on: the age of the newest one that counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from database.backup.manifest import Backup, list_backups, newest

STALE_AFTER = timedelta(hours=26)
"""A day, and two hours for a dump that takes long or a machine that was off at the time."""


def health_of(
    folder: Path, ledger: str | None = None, now: datetime | None = None, damaged: Collection[str] = ()
) -> Mapping[str, Any]:
    """For /healthz: ok, file, taken_at and age_s of the newest verified backup, of one ledger or of all, which is none
    of the `damaged` files; and these, where there are any."""
    last = _last(folder, ledger, damaged)
    more = {"damaged": sorted(damaged)} if damaged else {}
    if last is None:
        return {"ok": False, "file": None, "text": f"there is no verified backup in {folder}", **more}
    age = (now or datetime.now(UTC)) - last.taken_at
    return {
        "ok": age <= STALE_AFTER,
        "file": last.file,
        "taken_at": last.taken_at.isoformat(),
        "age_s": int(age.total_seconds()),
        **more,
    }


def is_due(folder: Path, now: datetime, ledger: str | None = None, damaged: Collection[str] = ()) -> bool:
    """Whether a day went by without a backup: the service was not running at its time, the try failed, or what it made
    is one of the `damaged` files."""
    last = _last(folder, ledger, damaged)
    return last is None or now - last.taken_at > timedelta(hours=24, minutes=30)


def _last(folder: Path, ledger: str | None, damaged: Collection[str]) -> Backup | None:
    return newest(backup for backup in list_backups(folder, ledger) if backup.file not in damaged)
