"""Deletes the backups that the retention no longer keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from database.backup.errors import BackupFailed
from database.backup.manifest import Backup, list_backups, remove_backup
from database.backup.retention import Retention


def surplus(backups: Sequence[Backup], retention: Retention) -> list[Backup]:
    """What may go, oldest first. Each ledger is counted for itself: a demo's backups never push out a live one's."""
    gone = []
    for ledger in {backup.ledger for backup in backups}:
        own = [backup for backup in backups if backup.ledger == ledger]
        kept = retention.kept(backup.taken_at for backup in own)
        gone += [backup for backup in own if backup.taken_at not in kept]
    return sorted(gone, key=lambda backup: backup.taken_at)


def thin_out(folder: Path, retention: Retention, damaged: Collection[str] = ()) -> list[Backup]:
    """Deletes the surplus of a folder, each manifest before its dump, and returns it. Raises BackupFailed.

    The `damaged` files stay, since a person decides on them, and stand for no day, week or month: else the newest of a
    week, being damaged, would cost the older ones that are whole.
    """
    gone = surplus([backup for backup in list_backups(folder) if backup.file not in damaged], retention)
    try:
        for backup in gone:
            remove_backup(folder, backup)
    except OSError as error:
        raise BackupFailed(f"cannot delete old backups in {folder}: {error}") from error
    return gone
