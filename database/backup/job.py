"""One backup from beginning to end: taken, copied, noted, the old ones thinned out, and what went wrong told."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from alpha.config.backups import BackupSettings
from alpha.domain.errors import AlphaError
from alpha.ledger.alerts import Severity
from alpha.ledger.backups import BackupRow, add_backup
from alpha.ledger.connection import Dsn, LedgerError, connect
from database.backup.copies import CopyStore
from database.backup.errors import BackupBusy, BackupFailed, BackupGivenUp
from database.backup.manifest import Backup
from database.backup.marks import damaged_files
from database.backup.retention import Retention
from database.backup.scratch import finished
from database.backup.taking import take_backup
from database.backup.tell import Tell
from database.backup.thinning import thin_out

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A backup that counts, the copy's URL without credentials ("" for none), and what was deleted for it."""

    backup: Backup
    seconds: float
    copied_to: str
    removed: Sequence[Backup]
    damaged: Mapping[str, str]
    """Files that count no more -> what was found wrong with them."""


def back_up(
    dsn: Dsn,
    settings: BackupSettings,
    *,
    tell: Tell,
    programs: Sequence[Path] = (),
    retention: Retention | None = None,
    damaged: Callable[[], Collection[str]] = frozenset,
    given_up: Callable[[], bool] = lambda: False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Done:
    """Makes a backup now. A copy that fails, old ones that cannot be deleted, or space that will soon be too little, is
    an alert and fails nothing else. `damaged` is asked, when old ones are about to be deleted, for the files that are
    known not to be what their manifests say, besides those that are marked so.

    Raises BackupFailed, LedgerUnavailable or LedgerRefused, after an alert: no backup was made, older ones are as they
    were. Without an alert BackupBusy, while another one runs, and BackupGivenUp, as `take_backup`.
    """
    began, started_at = time.monotonic(), datetime.now(UTC)
    try:
        backup = take_backup(
            dsn,
            settings.folder,
            recipients=settings.recipients,
            programs=programs,
            server_folder=settings.server_folder,
            given_up=given_up,
            on_step=on_step,
            on_little_space=lambda text: tell("backup_space_is_short", text, severity=Severity.WARNING),
            on_named=lambda name: tell("restore_finished", finished(name), severity=Severity.WARNING),
        )
    except (BackupBusy, BackupGivenUp):
        raise
    except AlphaError as error:
        text = f"no backup was made: {error}"
        tell("backup_failed", text, severity=Severity.CRITICAL)
        failed = BackupRow(taken_at=started_at, file="", ok=False, detail=str(error), seconds=time.monotonic() - began)
        _note(dsn, failed)
        raise
    copied_to = _copy(settings, backup, tell)
    marked = damaged_files(settings.folder)
    removed = _thin_out(settings, retention or Retention(), {*damaged(), *marked}, tell)
    seconds = time.monotonic() - began
    _note(
        dsn,
        BackupRow(
            taken_at=backup.taken_at,
            file=backup.file,
            ok=True,
            verified_at=backup.verified_at,
            size=backup.size,
            sha256=backup.sha256,
            encrypted=backup.encrypted,
            copied_to=copied_to,
            seconds=seconds,
        ),
    )
    log.info("backup_done", file=backup.file, size=backup.size, seconds=round(seconds, 1), removed=len(removed))
    return Done(backup=backup, seconds=seconds, copied_to=copied_to, removed=removed, damaged=marked)


def _copy(settings: BackupSettings, backup: Backup, tell: Tell) -> str:
    if not settings.copy_to:
        return ""
    try:
        store = CopyStore(settings.copy_to)
        store.add(settings.folder, backup)
    except BackupFailed as error:
        tell("backup_not_copied", f"{backup.file} is here only: {error}", severity=Severity.ERROR)
        return ""
    return store.shown


def _thin_out(settings: BackupSettings, retention: Retention, damaged: Collection[str], tell: Tell) -> Sequence[Backup]:
    try:
        removed = thin_out(settings.folder, retention, damaged)
        if settings.copy_to and removed:
            CopyStore(settings.copy_to).remove(removed)
    except BackupFailed as error:
        tell("backups_not_thinned", str(error), severity=Severity.WARNING)
        return ()
    return removed


def _note(dsn: Dsn, row: BackupRow) -> None:
    try:
        with closing(connect(dsn, "backup")) as connection:
            add_backup(connection, row)
    except LedgerError as error:
        # The files are what counts, and an alert was given where there is none.
        log.warning("backup_not_noted", file=row.file, error=str(error))
