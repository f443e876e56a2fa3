"""Whether the backups that lie there are still what they were: files rot, disks fail, people make mistakes."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from alpha.ledger.alerts import Severity
from database.backup.errors import BackupFailed
from database.backup.manifest import Backup, check_file, list_backups
from database.backup.tell import Tell

log = structlog.get_logger(__name__)


class Inspection:
    """Reads one backup of a folder with every look, in turn and the newest first, and compares it with its manifest.

    What was found damaged is told once and does not count as a backup any more. It is left where it is: of a damaged
    dump a part may still be read.
    """

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder, self._tell = folder, tell
        self._looked_at: dict[str, int] = {}
        """File -> number of the look at which it was read last."""
        self._looks = 0
        self._damaged: frozenset[str] = frozenset()
        self._looking = threading.Lock()

    @property
    def damaged(self) -> frozenset[str]:
        """The files that were not what their manifests say when they were read last."""
        return self._damaged

    def look(self) -> None:
        """Reads the backup that was not read for longest."""
        with self._looking:
            there = {backup.file: backup for backup in reversed(list_backups(self._folder))}
            self._looked_at = {file: self._looked_at.get(file, 0) for file in there}
            self._damaged &= there.keys()
            if not there:
                return
            file = min(there, key=self._looked_at.__getitem__)
            self._looks += 1
            self._looked_at[file] = self._looks
            self._compare(there[file])

    def _compare(self, backup: Backup) -> None:
        try:
            check_file(self._folder, backup)
        except BackupFailed as error:
            # One that was thinned out meanwhile is not damaged.
            if backup.file not in self._damaged and backup in list_backups(self._folder):
                self._damaged |= {backup.file}
                self._tell(
                    "backup_damaged", f"this backup does not count any more: {error}", severity=Severity.CRITICAL
                )
        else:
            self._damaged -= {backup.file}
            log.info("backup_inspected", file=backup.file)
