"""Whether backups can be relied on: the age of the newest one that counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from database.backup.manifest import list_backups, newest

STALE_AFTER = timedelta(hours=26)
"""A day, and two hours for a dump that takes long or a machine that was off at the time."""


def health_of(folder: Path, ledger: str | None = None, now: datetime | None = None) -> Mapping[str, Any]:
    """For /healthz: ok, file, taken_at and age_s of the newest verified backup, of one ledger or of all."""
    last = newest(list_backups(folder, ledger))
    if last is None:
        return {"ok": False, "file": None, "text": f"there is no verified backup in {folder}"}
    age = (now or datetime.now(UTC)) - last.taken_at
    return {
        "ok": age <= STALE_AFTER,
        "file": last.file,
        "taken_at": last.taken_at.isoformat(),
        "age_s": int(age.total_seconds()),
    }


def is_due(folder: Path, now: datetime, ledger: str | None = None) -> bool:
    """Whether a day went by without a backup: the service was not running at its time, or the try failed."""
    last = newest(list_backups(folder, ledger))
    return last is None or now - last.taken_at > timedelta(hours=24, minutes=30)
