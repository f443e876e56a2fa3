"""The file beside a dump that says what it is. A dump without one is no backup."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpha.domain.clock import require_aware
from database.backup.errors import BackupFailed
from database.backup.figures import Figures

SUFFIX = ".json"
PLAIN, ENCRYPTED = ".dump", ".dump.age"
PARTIAL = ".partial"
OPENED = ".opened-"
"""Begins the name of a folder in which a restore keeps an encrypted dump in the clear."""
_VERSION = 1
_CHUNK = 1 << 20
_STEM = re.compile(r"[A-Za-z0-9_-]+-\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One verified backup. Times are wall clock, UTC."""

    file: str
    """Name of the dump, in the folder of its manifest."""
    database: str
    ledger: str
    """Identity of the ledger that it is of: the same wherever that was restored to, another for every other ledger."""
    taken_at: datetime
    """Moment of the snapshot."""
    verified_at: datetime
    """When it had been restored and compared."""
    server_major: int
    schema_version: int
    """Number of the last migration in it."""
    size: int
    """Bytes of the file."""
    sha256: str
    recipients: tuple[str, ...]
    """Public keys that it is encrypted for; none when it is not."""
    figures: Figures

    @property
    def name(self) -> str:
        """Of the manifest and the dump without their endings: database and moment."""
        return self.file.removesuffix(ENCRYPTED).removesuffix(PLAIN)

    @property
    def encrypted(self) -> bool:
        return bool(self.recipients)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "file": self.file,
            "database": self.database,
            "ledger": self.ledger,
            "taken_at": self.taken_at.isoformat(),
            "verified_at": self.verified_at.isoformat(),
            "server_major": self.server_major,
            "schema_version": self.schema_version,
            "size": self.size,
            "sha256": self.sha256,
            "recipients": list(self.recipients),
            "figures": self.figures.to_json(),
        }


def backup_name(database: str, at: datetime) -> str:
    """For example trading_db-20260102T020000Z: sorts by time."""
    require_aware(at)
    return f"{database}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def write_manifest(folder: Path, backup: Backup) -> None:
    """Makes the dump a backup, at once or not at all."""
    path = folder / (backup.name + SUFFIX)
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8") as file:
        json.dump(backup.to_json(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(folder)


def remove_backup(folder: Path, backup: Backup) -> None:
    """Deletes the manifest and then the dump, where they are there. Raises OSError."""
    (folder / (backup.name + SUFFIX)).unlink(missing_ok=True)
    (folder / backup.file).unlink(missing_ok=True)


def read_manifest(path: Path) -> Backup:
    """Raises BackupFailed for what is no manifest of ours."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["version"] != _VERSION:
            raise BackupFailed(f"{path} is of version {said['version']}, which this release does not know")
        file = said["file"]
        if Path(file).name != file:
            raise BackupFailed(f"{path} names a file in another folder: {file}")
        return Backup(
            file=file,
            database=said["database"],
            ledger=said["ledger"],
            taken_at=datetime.fromisoformat(said["taken_at"]),
            verified_at=datetime.fromisoformat(said["verified_at"]),
            server_major=said["server_major"],
            schema_version=said["schema_version"],
            size=said["size"],
            sha256=said["sha256"],
            recipients=tuple(said["recipients"]),
            figures=Figures(**said["figures"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupFailed(f"{path} cannot be read as a backup's manifest: {error}") from error


def list_backups(folder: Path, ledger: str | None = None) -> list[Backup]:
    """The backups of a folder, oldest first, of one ledger or of all. A manifest whose dump is gone, or that cannot be
    read, is none."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not _STEM.fullmatch(path.stem):
            continue
        try:
            backup = read_manifest(path)
        except BackupFailed:
            continue
        if (folder / backup.file).is_file() and ledger in (None, backup.ledger):
            found.append(backup)
    return sorted(found, key=lambda backup: backup.taken_at)


def newest(backups: Iterable[Backup], at: datetime | None = None) -> Backup | None:
    """The one taken last, at the latest `at`."""
    fitting = [backup for backup in backups if at is None or backup.taken_at <= at]
    return max(fitting, key=lambda backup: backup.taken_at, default=None)


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_file(folder: Path, backup: Backup) -> Path:
    """The dump, after comparing its bytes with the manifest. Raises BackupFailed when it was damaged."""
    path = folder / backup.file
    try:
        size = path.stat().st_size
        digest = sha256_of(path) if size == backup.size else ""
    except OSError as error:
        raise BackupFailed(f"{path} cannot be read: {error}") from error
    if size != backup.size:
        raise BackupFailed(f"{path} is damaged: {size} bytes instead of {backup.size}; use another backup")
    if digest != backup.sha256:
        raise BackupFailed(f"{path} is damaged: its checksum is not the manifest's; use another backup")
    return path


def sync_folder(folder: Path) -> None:
    """Waits until the names in the folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
