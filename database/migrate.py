"""Applies database/migrations in order, each once, each in a transaction of its own.

`python -m database.migrate` also gives every process its login, where their passwords are in the environment.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from alpha.config import Registry, Settings, environment
from alpha.domain.errors import AlphaError
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect, transaction
from alpha.service.process import run_service
from database.roles import ensure_groups

log = structlog.get_logger()

MIGRATIONS = Path(__file__).with_name("migrations")
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x616C706861  # "alpha": any constant that nothing else in the database uses
_WAIT_S = 120


class MigrationError(AlphaError):
    """The files and what the database remembers do not fit, or a migration failed. Nothing of that file was applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The files of the folder in order. Raises MigrationError for a name out of form or a number that is missing or
    double."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named NNNN_what_it_does.sql")
        found.append(Migration(version=int(match[1]), name=path.stem, text=path.read_text(encoding="utf-8")))
    numbers = [migration.version for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"{folder} must hold migrations numbered 1, 2, 3... without gap or repeat, not {numbers}")
    return found


def migrate(dsn: Dsn, folder: Path = MIGRATIONS) -> list[str]:
    """Brings the database up to date and returns the names of what was applied, which may be none.

    Takes a direct connection as the owner: the lock against a second runner lives in the session. Running it again
    changes nothing. Raises MigrationError, or LedgerUnavailable when the database cannot be reached.
    """
    migrations = read_migrations(folder)
    with closing(connect(dsn, "migrate", statement_timeout_s=_WAIT_S)) as connection:
        # Released by the end of the session; two runners wait for each other instead of racing.
        with transaction(connection) as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        ensure_groups(connection)
        with transaction(connection) as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS trading")
            cursor.execute(
                """
                CREATE TABLE IF NOT EXISTS trading.migrations (
                    version integer PRIMARY KEY,
                    name text NOT NULL,
                    checksum text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
                )
                """
            )
        applied = _applied(connection)
        _refuse_changed(migrations, applied)
        waiting = [migration for migration in migrations if migration.version not in applied]
        for migration in waiting:
            _apply(connection, migration)
    return [migration.name for migration in waiting]


def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    with transaction(connection) as cursor:
        cursor.execute("SELECT version, name, checksum FROM trading.migrations")
        return {version: (name, checksum) for version, name, checksum in cursor.fetchall()}


def _refuse_changed(migrations: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> None:
    known = {migration.version: migration for migration in migrations}
    for version, (name, checksum) in sorted(applied.items()):
        migration = known.get(version)
        if migration is None:
            raise MigrationError(
                f"the database has migration {name}, which these files do not: install a newer release"
            )
        if (migration.name, migration.checksum) != (name, checksum):
            raise MigrationError(
                f"{migration.name}.sql is not the file that was applied as {name}: restore it and put the change "
                "into a new migration"
            )


def _apply(connection: Connection, migration: Migration) -> None:
    try:
        with transaction(connection) as cursor:
            cursor.execute(migration.text)
            cursor.execute(
                "INSERT INTO trading.migrations (version, name, checksum) VALUES (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
    except LedgerError as error:
        raise MigrationError(f"migration {migration.name} failed and was rolled back: {error}") from error


def main(settings: Settings, registry: Registry) -> None:
    """Migrates, then gives the processes their logins in PostgreSQL and Redis."""
    # Imported here: whoever only migrates needs no Redis.
    from database.provision import provision_access, provision_logins

    applied = migrate(settings.dsn())
    environ = environment()
    logins = provision_logins(settings, registry, environ)
    users = provision_access(settings, registry, environ)
    log.info("database_ready", applied=applied, logins=logins, redis_users=users)


if __name__ == "__main__":
    sys.exit(run_service("migrate", main))
