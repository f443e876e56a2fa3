"""Whether the backups that lie there are still what they were: files rot, disks fail, people make mistakes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import structlog

from alpha.ledger.alerts import Severity
from database.backup.errors import BackupFailed
from database.backup.manifest import Backup, check_file, list_backups
from database.backup.marks import damaged_files, mark_damaged, unmark
from database.backup.retention import Retention
from database.backup.tell import Tell
from database.backup.thinning import surplus

log = structlog.get_logger(__name__)

_NAMED = 5


def inspect(folder: Path, backup: Backup) -> str:
    """Reads a backup and compares it with its manifest. What is wrong is noted beside it and said; "" is nothing."""
    try:
        check_file(folder, backup)
    except BackupFailed as error:
        # One that was thinned out meanwhile is not damaged.
        if backup not in list_backups(folder):
            return ""
        mark_damaged(folder, backup.file, str(error))
        return str(error)
    unmark(folder, backup.file)
    return ""


class Inspection:
    """Reads one backup of a folder with every look, in turn and the newest first, and compares it with its manifest.

    What was found damaged, also by others, is told once and does not count as a backup any more, here and for whoever
    else comes to the folder. It is left where it is: of a damaged dump a part may still be read. The same is told of
    one that was there at the last look and is no backup now, because its dump or manifest is gone or cannot be read,
    though the retention would have kept it.
    """

    def __init__(self, folder: Path, tell: Tell, retention: Retention | None = None) -> None:
        self._folder, self._tell, self._retention = folder, tell, retention or Retention()
        self._seen: dict[str, Backup] = {}
        """File -> backup, as of the last look."""
        self._looked_at: dict[str, int] = {}
        """File -> number of the look at which it was read last."""
        self._looks = 0
        self._damaged: frozenset[str] = frozenset()
        self._told: frozenset[str] = frozenset()
        """The files of which this was told. A mark by a command is nobody's alert."""
        self._looking = threading.Lock()

    @property
    def damaged(self) -> frozenset[str]:
        """The files that were not what their manifests say when they were read last, or disappeared before that."""
        return self._damaged | damaged_files(self._folder).keys()

    def look(self) -> None:
        """Reads the backup that was not read for longest."""
        with self._looking:
            there = self._listed()
            if self._seen.keys() - there.keys():
                # Again: the backup for which one was thinned out may have come after the names were read.
                there = self._listed()
            # For when they are gone: who deletes what somebody found damaged misses nothing.
            self._damaged |= damaged_files(self._folder).keys()
            self._look_for_missing(there)
            self._seen = there
            self._looked_at = {file: self._looked_at.get(file, 0) for file in there}
            if not there:
                return
            file = min(there, key=self._looked_at.__getitem__)
            self._looks += 1
            self._looked_at[file] = self._looks
            self._compare(there[file])

    def _listed(self) -> dict[str, Backup]:
        return {backup.file: backup for backup in reversed(list_backups(self._folder))}

    def _look_for_missing(self, there: Mapping[str, Backup]) -> None:
        damaged = self.damaged
        gone = [backup for file, backup in self._seen.items() if file not in there and file not in damaged]
        # Whoever thinned out, this process or another: what is surplus now was so then, and only more comes to it.
        sound = [backup for file, backup in there.items() if file not in damaged]
        thinned_out = surplus([*sound, *gone], self._retention)
        missing = [backup.file for backup in gone if backup not in thinned_out]
        if not missing:
            return
        # For as long as it does not come back: nobody is to believe that all is well because less is there.
        self._damaged |= set(missing)
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        self._tell(
            "backup_missing",
            f"what was a backup is none any more, though it was not thinned out: {', '.join(missing[:_NAMED])}{more}; "
            f"the dump or its manifest in {self._folder} is gone or cannot be read",
            severity=Severity.CRITICAL,
        )

    def _compare(self, backup: Backup) -> None:
        wrong = inspect(self._folder, backup)
        if not wrong:
            self._damaged -= {backup.file}
            self._told -= {backup.file}
            log.info("backup_inspected", file=backup.file)
            return
        self._damaged |= {backup.file}
        if backup.file not in self._told:
            self._told |= {backup.file}
            self._tell("backup_damaged", f"this backup does not count any more: {wrong}", severity=Severity.CRITICAL)
