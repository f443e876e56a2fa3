"""What the environment says of backups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from alpha.config.errors import ConfigError

DEFAULT_FOLDER = Path("database/backups/postgres")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """`recipients` are public keys that dumps are encrypted for, none for plain dumps; `copy_to` is the URL of a second
    place, empty for none."""

    folder: Path = DEFAULT_FOLDER
    at: time = time(2, 0)
    """Of the day, UTC."""
    recipients: tuple[str, ...] = ()
    copy_to: str = ""
    server_folder: Path | None = None
    """A folder of this machine on the disk of the server, whose free space is looked at; None: the server is asked."""


def load_backup_settings(environ: Mapping[str, str]) -> BackupSettings:
    """From BACKUP_FOLDER, BACKUP_AT, BACKUP_RECIPIENTS, BACKUP_COPY_TO and BACKUP_SERVER_FOLDER.

    An empty one is not set. Raises ConfigError, one line that names the variable.
    """

    def said(name: str) -> str:
        return environ.get(name, "").strip()

    at = _TIME.fullmatch(said("BACKUP_AT") or "02:00")
    if at is None:
        raise ConfigError("BACKUP_AT must be a time of the day in UTC, for example 02:00")
    return BackupSettings(
        folder=Path(said("BACKUP_FOLDER") or DEFAULT_FOLDER),
        at=time(int(at[1]), int(at[2])),
        recipients=tuple(part.strip() for part in said("BACKUP_RECIPIENTS").split(",") if part.strip()),
        copy_to=said("BACKUP_COPY_TO"),
        server_folder=Path(said("BACKUP_SERVER_FOLDER")) if said("BACKUP_SERVER_FOLDER") else None,
    )
