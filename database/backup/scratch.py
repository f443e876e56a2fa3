"""Databases beside the real one that are there for a while: one in which a dump is tried, one that is not whole yet.

Each carries in its name the session that made it: the number of its process at the server, and when that began. When
that session has ended, however it did, nobody comes back to the database, and the next backup or restore drops it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import structlog
from psycopg2 import sql

from alpha.ledger.connection import Connection, Dsn, LedgerRefused, connect, single_statement

log = structlog.get_logger(__name__)

_TRIED = "alpha_verify_"
_DRAFT = "alpha_draft_"
_TIMEOUT_S = 600
# A number of a process is given again, but not with the same microsecond.
_MAKER = "to_hex(pid) || '_' || to_hex((extract(epoch FROM backend_start) * 1000000)::bigint)"


@contextmanager
def scratch_database(dsn: Dsn) -> Iterator[Dsn]:
    """Makes an empty database on the server of `dsn`, and drops it in the end.

    Raises LedgerRefused when the user may not make databases.
    """
    with closing(connect(dsn, "backup", statement_timeout_s=_TIMEOUT_S)) as connection:
        name = _TRIED + _maker(connection)
        try:
            # Within: Ctrl-C is delivered when the database is there already.
            _create(connection, name)
            yield replace(dsn, dbname=name)
        finally:
            if not connection.closed:
                drop_database(connection, name)


@contextmanager
def new_database(connection: Connection, name: str) -> Iterator[str]:
    """Makes a database for what is done within, under another name, which it gives. In the end it gets its own: so
    there is a database `name` when all of it was done, and none when that fails, is interrupted or is killed.

    In the beginning nothing is in it but what PostgreSQL itself needs. Raises LedgerRefused if there is a database
    `name` in the end, which is left alone.
    """
    draft = _DRAFT + _maker(connection)
    done = False
    try:
        _create(connection, draft)
        yield draft
        done = True
        _rename(connection, draft, name)
    except BaseException:
        # Ctrl-C is delivered when PostgreSQL has answered, and hides the answer: it may have done what it was asked.
        if not connection.closed:
            if _exists(connection, draft):
                drop_database(connection, draft)
            elif done:
                drop_database(connection, name)
        raise


def drop_left_overs(connection: Connection) -> None:
    """Drops the databases of this module whose makers were killed, as far as they belong to the user of `connection`,
    or to anybody for a superuser. Left alone is every one whose maker is still there or in which somebody looks around.

    What a killed maker began goes on for a while: its pg_restore is ended with the database.
    """
    with single_statement(connection) as cursor:
        cursor.execute(
            f"""
            SELECT datname FROM pg_database AS d, substring(datname FROM '^(?:{_TRIED}|{_DRAFT})(.+)$') AS maker
            WHERE maker IS NOT NULL AND pg_has_role(datdba, 'USAGE')
              AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE {_MAKER} = maker)
              AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                              WHERE a.datname = d.datname AND a.application_name IS DISTINCT FROM 'pg_restore'
                                AND a.backend_type IS DISTINCT FROM 'autovacuum worker')
            ORDER BY datname
            """
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        try:
            drop_database(connection, name)
        except LedgerRefused as error:
            # Room that is taken for longer, and no reason to do without a backup.
            log.warning("left_over_not_dropped", database=name, error=str(error))
        else:
            log.info("left_over_dropped", database=name)


def drop_database(connection: Connection, name: str) -> None:
    """Drops a database and ends the sessions on it."""
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _maker(connection: Connection) -> str:
    with single_statement(connection) as cursor:
        cursor.execute(f"SELECT {_MAKER} FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        row = cursor.fetchone()
    assert row is not None, "a session sees itself"
    return str(row[0])


def _create(connection: Connection, name: str) -> None:
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def _rename(connection: Connection, name: str, to: str) -> None:
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))


def _exists(connection: Connection, name: str) -> bool:
    with single_statement(connection) as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None
