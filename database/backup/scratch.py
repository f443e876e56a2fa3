"""A database beside the real one, into which a dump is restored to see whether it can be."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from psycopg2 import sql

from alpha.ledger.connection import Connection, Dsn, connect, single_statement

_PREFIX = "alpha_verify_"
_DRAFT_PREFIX = "alpha_draft_"
_TIMEOUT_S = 600


@contextmanager
def scratch_database(dsn: Dsn) -> Iterator[Dsn]:
    """Makes an empty database on the server of `dsn`, and drops it in the end.

    Left-overs of runs that were killed are dropped first. Raises LedgerRefused when the user may not make databases.
    """
    name = f"{_PREFIX}{secrets.token_hex(6)}"
    with closing(connect(dsn, "backup", statement_timeout_s=_TIMEOUT_S)) as connection:
        _drop_left_overs(connection)
        try:
            # Within: Ctrl-C is delivered when the database is there already.
            _create(connection, name)
            yield replace(dsn, dbname=name)
        finally:
            if not connection.closed:
                drop_database(connection, name)


@contextmanager
def new_database(connection: Connection, name: str) -> Iterator[None]:
    """Makes an empty database with nothing in it but what PostgreSQL itself needs, for what is done within; drops it
    when that fails, or is interrupted as early as while it is made.

    Raises LedgerRefused if there is a database of that name, which is left alone.
    """
    # Ctrl-C is delivered when PostgreSQL has answered, and hides the answer. Under a name that is nobody else's first,
    # so that it can be told afterwards whether a database is ours.
    draft = f"{_DRAFT_PREFIX}{secrets.token_hex(6)}"
    drafted = False
    try:
        _create(connection, draft)
        drafted = True
        _rename(connection, draft, name)
        yield
    except BaseException:
        if not connection.closed:
            if _exists(connection, draft):
                drop_database(connection, draft)
            elif drafted:
                drop_database(connection, name)
        raise


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


def drop_database(connection: Connection, name: str) -> None:
    """Drops a database and ends the sessions on it."""
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_left_overs(connection: Connection) -> None:
    with single_statement(connection) as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datdba = current_user::regrole"
            " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = pg_database.datname)",
            (_PREFIX,),
        )
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        drop_database(connection, name)
