"""Takes one backup: snapshot, dump, restore, compare, seal, keep."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from alpha.ledger.connection import Connection, Dsn, connect, transaction
from database.backup.encryption import check_recipients, encrypt
from database.backup.errors import BackupBusy, BackupFailed
from database.backup.figures import Figures, differences, figures_of
from database.backup.manifest import (
    ENCRYPTED,
    OPENED,
    PARTIAL,
    PLAIN,
    Backup,
    backup_name,
    check_file,
    list_backups,
    newest,
    remove_backup,
    sha256_of,
    sync_folder,
    write_manifest,
)
from database.backup.marks import SUFFIX as DAMAGED
from database.backup.programs import Programs, find_programs
from database.backup.scratch import scratch_database, settle_left_overs
from database.backup.space import check_space, rooms_for

_STATEMENTS_S = 3600.0
_LOCK = ".lock"


def take_backup(
    dsn: Dsn,
    folder: Path,
    *,
    recipients: Sequence[str] = (),
    programs: Sequence[Path] = (),
    server_folder: Path | None = None,
    given_up: Callable[[], bool] = lambda: False,
    on_step: Callable[[str], None] = lambda _: None,
    on_little_space: Callable[[str], None] = lambda _: None,
    on_named: Callable[[str], None] = lambda _: None,
) -> Backup:
    """Dumps the database, restores the dump beside it, and keeps it when both hold the same.

    `dsn` is a direct connection of a user who reads everything and may make databases. `programs` are folders to look
    for pg_dump in, before PATH. `server_folder` is a folder of this machine on the disk of the server; without it the
    server is asked, which answers superusers, and may be on another machine. `given_up` is asked several times a second
    whether to end it, by BackupGivenUp. `on_step` hears what is done next, `on_little_space` what is free when it is
    enough for now, but not for long, `on_named` the name of every database whose restore ended when it had all but
    its name, and which has it now.

    Raises BackupFailed, ProgramsMissing, LedgerUnavailable or LedgerRefused; nothing is left of this backup then, and
    nothing of others was touched.
    """
    check_recipients(recipients)
    with _locked(folder):
        _remove_left_overs(folder)
        try:
            with closing(connect(dsn, "backup", statement_timeout_s=_STATEMENTS_S)) as connection:
                # First: they may be what takes the room.
                settle_left_overs(connection, on_named)
                _look_at_space(connection, folder, server_folder, bool(recipients), on_little_space)
                tools = replace(find_programs(connection.server_version // 10_000, programs), given_up=given_up)
                _wait_for_a_name(connection, folder, dsn.dbname)
                return _take(connection, dsn, folder, tuple(recipients), tools, on_step)
        except OSError as error:
            raise BackupFailed(f"cannot write into {folder}: {error}") from error
        finally:
            _remove_left_overs(folder)


def _take(
    connection: Connection,
    dsn: Dsn,
    folder: Path,
    recipients: tuple[str, ...],
    tools: Programs,
    on_step: Callable[[str], None],
) -> Backup:
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    # Everything below sees one moment: the figures in this transaction, the dump by its exported snapshot.
    with transaction(connection):
        taken_at, snapshot, schema_version, ledger = _begin(connection)
        name = backup_name(dsn.dbname, taken_at)
        if _is_taken(folder, name):
            raise BackupFailed(f"there is a backup {name} already: was the server's clock set back? Try again")
        plain = folder / (name + PLAIN + PARTIAL)
        _make_private(plain)
        on_step("counting")
        figures = figures_of(connection)
        on_step("dumping")
        tools.dump(dsn, snapshot=snapshot, to=plain)
    connection.close()
    on_step("restoring into a scratch database")
    verify_dump(dsn, plain, figures, tools)
    verified_at = datetime.now(UTC)
    kept = plain
    if recipients:
        on_step("encrypting")
        kept = folder / (name + ENCRYPTED + PARTIAL)
        _make_private(kept)
        encrypt(plain, kept, recipients)
        plain.unlink()
    on_step("keeping")
    _sync(kept)
    final = kept.with_name(kept.name.removesuffix(PARTIAL))
    backup = Backup(
        file=final.name,
        database=dsn.dbname,
        ledger=ledger,
        taken_at=taken_at,
        verified_at=verified_at,
        server_major=tools.major,
        schema_version=schema_version,
        size=kept.stat().st_size,
        sha256=sha256_of(kept),
        recipients=recipients,
        figures=figures,
    )
    try:
        kept.replace(final)
        sync_folder(folder)
        write_manifest(folder, backup)
    except BaseException:
        # No later backup and no retention would remove a dump without a manifest.
        remove_backup(folder, backup)
        raise
    check_file(folder, backup)
    return backup


def verify_dump(dsn: Dsn, dump: Path, expected: Figures, tools: Programs) -> None:
    """Restores the dump into a scratch database on the server of `dsn` and compares.

    Raises BackupFailed naming each figure that differs, or what pg_restore said.
    """
    with scratch_database(dsn) as scratch:
        tools.restore(scratch, dump, privileges=False)
        with closing(connect(scratch, "backup", statement_timeout_s=_STATEMENTS_S)) as connection:
            wrong = differences(expected, figures_of(connection))
    if wrong:
        raise BackupFailed(f"the restored dump differs from the database: {'; '.join(wrong)}")


def _begin(connection: Connection) -> tuple[datetime, str, int, str]:
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT clock_timestamp(), pg_export_snapshot(), (SELECT coalesce(max(version), 0) FROM trading.migrations),
                   (SELECT id::text FROM trading.ledger_identity)
            """
        )
        row = cursor.fetchone()
        assert row is not None, "a SELECT without FROM answers with a row"
        taken_at, snapshot, schema_version, ledger = row
    return taken_at.replace(microsecond=0), snapshot, schema_version, ledger


def _wait_for_a_name(connection: Connection, folder: Path, database: str) -> None:
    """A backup is named by its second: a small ledger's next one would take the place of the one before."""
    while True:
        with transaction(connection) as cursor:
            cursor.execute("SELECT clock_timestamp()")
            ((now,),) = cursor.fetchall()
        if not _is_taken(folder, backup_name(database, now)):
            return
        time.sleep(1 - now.microsecond / 1_000_000)


def _is_taken(folder: Path, name: str) -> bool:
    return any(path.name.startswith(f"{name}.") for path in folder.iterdir())


def _look_at_space(
    connection: Connection,
    folder: Path,
    server_folder: Path | None,
    encrypts: bool,
    on_little_space: Callable[[str], None],
) -> None:
    """Raises BackupFailed when it would not fit."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT (SELECT id::text FROM trading.ledger_identity), pg_database_size(current_database()),
                   CASE WHEN pg_has_role('pg_read_all_settings', 'MEMBER') THEN current_setting('data_directory') END
            """
        )
        row = cursor.fetchone()
        assert row is not None, "a SELECT without FROM answers with a row"
        ledger, database_size, data_directory = row
    rooms = rooms_for(
        folder=folder,
        last=newest(list_backups(folder, ledger)),
        encrypts=encrypts,
        server_folder=server_folder or _if_here(data_directory),
        database_size=database_size,
    )
    check_space(rooms)
    for room in rooms:
        if not room.is_ample:
            on_little_space(str(room))


def _if_here(data_directory: str | None) -> Path | None:
    """The server's folder where it is on this machine and we may look at it."""
    try:
        return Path(data_directory) if data_directory and Path(data_directory).is_dir() else None
    except OSError:
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One backup into a folder at a time. The kernel lets go when a process ends in any way."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BackupFailed(f"cannot write into {folder}: {error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupBusy(f"another backup into {folder} is running: wait until it has ended") from None
        yield
    finally:
        os.close(descriptor)


def _remove_left_overs(folder: Path) -> None:
    for path in folder.glob(f"*{PARTIAL}"):
        path.unlink(missing_ok=True)
    for mark in folder.glob(f"*{DAMAGED}"):
        if not mark.with_suffix("").is_file():
            mark.unlink(missing_ok=True)
    # What a killed restore of an encrypted backup left in the clear.
    for opened in folder.glob(f"{OPENED}*"):
        shutil.rmtree(opened, ignore_errors=True)


def _make_private(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
