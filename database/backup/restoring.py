"""Turns a backup into a database again, beside the one that is there; and changes over to it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from psycopg2 import sql

from alpha.ledger.connection import Connection, Dsn, connect, transaction
from database.backup.encryption import decrypt
from database.backup.errors import BackupFailed
from database.backup.figures import differences, figures_of
from database.backup.manifest import OPENED, Backup, check_file
from database.backup.programs import find_programs
from database.backup.scratch import PASSING, new_database, settle_left_overs
from database.migrate import migrate
from database.roles import ensure_groups

_MAINTENANCE = "postgres"
_STATEMENTS_S = 3600.0
_SESSIONS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that holds what the backup held. `migrations` were applied on top: those of newer releases."""

    dsn: Dsn
    backup: Backup
    migrations: tuple[str, ...]


def restored_name(backup: Backup) -> str:
    """The name that a restored database gets when nobody gives one."""
    return f"{backup.database}_restored_{backup.taken_at.astimezone(UTC):%Y%m%d_%H%M%S}"


def check_name(into: str) -> None:
    """Raises BackupFailed for a name that a database which should stay must not have."""
    if into.startswith(PASSING):
        raise BackupFailed(
            f"{into} begins like the databases that are there for a while and are dropped: choose a name that does not "
            f"begin with {' or '.join(PASSING)}"
        )


def restore_backup(
    dsn: Dsn,
    folder: Path,
    backup: Backup,
    *,
    into: str,
    identity: Path | None = None,
    programs: Sequence[Path] = (),
    on_step: Callable[[str], None] = lambda _: None,
    on_named: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Restores into the new database `into` on the server of `dsn`, whose user will own it and may make roles.
    `on_named` hears the name of every database whose restore ended when it had all but its name, and which has it now.

    The figures are compared with those of the snapshot before anything is migrated, and only then, when all is done,
    does the database get its name. `identity` is the file of the secret key of an encrypted backup. Raises
    BackupFailed, ProgramsMissing, MigrationError or a LedgerError; there is no such database then, and nothing is left
    of it but with DraftKept, which says under which name it is.
    """
    check_name(into)
    on_step("checking the file")
    dump = check_file(folder, backup)
    with closing(connect(replace(dsn, dbname=_MAINTENANCE), "restore", statement_timeout_s=_STATEMENTS_S)) as server:
        major = server.server_version // 10_000
        if major < backup.server_major:
            raise BackupFailed(
                f"{backup.file} is of PostgreSQL {backup.server_major} and this server is {major}: restore it on "
                f"{backup.server_major} or newer"
            )
        tools = find_programs(major, programs, or_newer=True)
        ensure_groups(server)
        settle_left_overs(server, on_named)
        if _exists(server, into):
            raise BackupFailed(f"there is a database {into} already: choose another name, or drop it")
        with new_database(server, into) as draft:
            target = replace(dsn, dbname=draft)
            with _readable(dump, backup, identity, folder, on_step) as plain:
                on_step("restoring")
                tools.restore(target, plain, privileges=True)
            on_step("comparing")
            with closing(connect(target, "restore", statement_timeout_s=_STATEMENTS_S)) as restored:
                wrong = differences(backup.figures, figures_of(restored))
            if wrong:
                raise BackupFailed(f"the restored database is not what the backup says: {'; '.join(wrong)}")
            migrations = migrate(target)
    return Restored(dsn=replace(dsn, dbname=into), backup=backup, migrations=tuple(migrations))


def switch_to(dsn: Dsn, restored: str, now: datetime | None = None) -> str:
    """Gives the database `restored` the name of `dsn`'s, and that one another name, which is returned. All or nothing.

    Raises BackupFailed when somebody is connected to either, naming who: the platform has to be stopped for this.
    """
    aside = f"{dsn.dbname}_before_{now or datetime.now(UTC):%Y%m%d_%H%M%S}"
    check_switch(dsn, restored)
    with closing(connect(replace(dsn, dbname=_MAINTENANCE), "restore")) as server, transaction(server) as cursor:
        renamed = [(restored, dsn.dbname)]
        if _exists(server, dsn.dbname):
            renamed.insert(0, (dsn.dbname, aside))
        for old, new in renamed:
            cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
    return aside


def check_switch(dsn: Dsn, restored: str) -> None:
    """Raises BackupFailed unless `restored` is another database with a ledger in it, and nobody is connected to it or
    to the platform's."""
    if restored == dsn.dbname:
        raise BackupFailed(f"{restored} is the platform's database already")
    with closing(connect(replace(dsn, dbname=_MAINTENANCE), "restore")) as server:
        if not _exists(server, restored):
            raise BackupFailed(f"there is no database {restored}: `alpha restore FILE` makes one")
        users = _sessions(server, (dsn.dbname, restored))
    if users:
        raise BackupFailed(
            f"somebody is connected ({', '.join(users[:_SESSIONS_SHOWN])}): stop the platform, PgBouncer too, and try "
            "again"
        )
    with closing(connect(replace(dsn, dbname=restored), "restore")) as target, transaction(target) as cursor:
        cursor.execute("SELECT to_regclass('trading.fills') IS NOT NULL")
        if cursor.fetchone() != (True,):
            raise BackupFailed(f"{restored} holds no ledger")


@contextmanager
def _readable(
    dump: Path, backup: Backup, identity: Path | None, folder: Path, on_step: Callable[[str], None]
) -> Iterator[Path]:
    """The dump in the clear, for as long as it is needed."""
    if not backup.encrypted:
        yield dump
        return
    if identity is None:
        raise BackupFailed(f"{backup.file} is encrypted: give the file of the secret key with --identity")
    with tempfile.TemporaryDirectory(prefix=OPENED, dir=folder) as opened:
        on_step("decrypting")
        plain = Path(opened) / "dump"
        decrypt(dump, plain, identity)
        yield plain


def _exists(server: Connection, name: str) -> bool:
    with transaction(server) as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None


def _sessions(server: Connection, names: Sequence[str]) -> list[str]:
    with transaction(server) as cursor:
        cursor.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), usename) FROM pg_stat_activity"
            " WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1",
            (list(names),),
        )
        return [name for (name,) in cursor.fetchall()]
