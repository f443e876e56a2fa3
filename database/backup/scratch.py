"""Databases beside the real one that are there for a while: one in which a dump is tried, one that is not whole yet.

Each carries in its name the session that made it: the number of its process at the server, and when that began. When
that session has ended, however it did, nobody comes back to the database, and the next backup or restore drops it. One
that is whole is closed to everybody before it gets its own name, which its comment says from then on: what is closed is
never dropped here, and gets that name from the next backup or restore.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import structlog
from psycopg2 import sql

from alpha.ledger.connection import (
    Connection,
    Dsn,
    LedgerError,
    LedgerRefused,
    LedgerUnavailable,
    connect,
    single_statement,
    transaction,
)
from database.backup.errors import DraftKept

log = structlog.get_logger(__name__)

_TRIED = "alpha_verify_"
_DRAFT = "alpha_draft_"
PASSING = (_TRIED, _DRAFT)
"""Begin the names of these databases, and should begin no other."""
_TIMEOUT_S = 600
_HAND_OVER_WITHIN_S = 60
_IN_USE = "55006"
_TO_BE_NAMED = "whole, to be named "
# A number of a process is given again, but not with the same microsecond.
_MAKER = "to_hex(pid) || '_' || to_hex((extract(epoch FROM backend_start) * 1000000)::bigint)"
# Exactly what is made here: a copy that somebody made by hand and named alike is not ours.
_OURS = f"^(?:{_TRIED}|{_DRAFT})([0-9a-f]{{1,8}}_[0-9a-f]{{13,14}})$"
_OF_EARLIER_RELEASES = f"^{_TRIED}[0-9a-f]{{12}}$"


@contextmanager
def scratch_database(dsn: Dsn) -> Iterator[Dsn]:
    """Makes an empty database on the server of `dsn`, and drops it in the end.

    One that cannot be dropped, because somebody is connected to it, is left to the next backup or restore: what was
    found in it is found. Raises LedgerRefused when the user may not make databases.
    """
    with closing(connect(dsn, "backup", statement_timeout_s=_TIMEOUT_S)) as connection:
        name = _TRIED + _maker(connection)
        try:
            # Within: Ctrl-C is delivered when the database is there already.
            _create(connection, name)
            yield replace(dsn, dbname=name)
        finally:
            if not connection.closed:
                try:
                    drop_database(connection, name)
                except LedgerError as error:
                    log.warning("scratch_database_left", database=name, error=str(error))


@contextmanager
def new_database(connection: Connection, name: str) -> Iterator[str]:
    """Makes a database for what is done within, under another name, which it gives. In the end it gets its own: so
    there is a database `name` when all of it was done, and none when that fails, is interrupted or is killed.

    In the beginning nothing is in it but what PostgreSQL itself needs. Whoever is connected to it in the end is sent
    away. Raises LedgerRefused if there is a database `name` in the end, which is left alone; and DraftKept when
    somebody is connected whom the user of `connection` may not send away, and does not go.
    """
    draft = _DRAFT + _maker(connection)
    done = False
    try:
        _create(connection, draft)
        yield draft
        done = True
        _hand_over(connection, draft, name)
    except DraftKept:
        raise
    except BaseException:
        # Ctrl-C is delivered when PostgreSQL has answered, and hides the answer: it may have done what it was asked.
        if not connection.closed:
            if _exists(connection, draft):
                drop_database(connection, draft)
            elif done:
                drop_database(connection, name)
        raise


def settle_left_overs(connection: Connection, on_named: Callable[[str], None] = lambda _: None) -> None:
    """Drops the databases of this module whose makers were killed, and gives those that are whole their names, as far
    as they belong to the user of `connection`; a superuser drops anybody's, and names only his own. `on_named` hears
    each such name. Left alone is every one whose maker is still there or in which somebody looks around.

    What a killed maker began goes on for a while: its pg_restore is ended with the database. Earlier releases named no
    maker, so theirs are dropped only while nobody at all is connected, and no name, so theirs that are whole are kept.
    """
    with single_statement(connection) as cursor:
        cursor.execute(
            f"""
            SELECT datname, datallowconn, maker IS NOT NULL,
                   substring(shobj_description(d.oid, 'pg_database') FROM '^{_TO_BE_NAMED}(.+)$'),
                   pg_get_userbyid(datdba) = current_user
            FROM pg_database AS d, substring(datname FROM '{_OURS}') AS maker
            WHERE (maker IS NOT NULL OR datname ~ '{_OF_EARLIER_RELEASES}') AND pg_has_role(datdba, 'USAGE')
              AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE {_MAKER} = maker)
              AND NOT EXISTS (SELECT FROM pg_stat_activity AS a
                              WHERE a.datname = d.datname AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
                                AND (maker IS NULL OR a.application_name IS DISTINCT FROM 'pg_restore'))
            ORDER BY datname
            """
        )
        found = cursor.fetchall()
    for database, is_open, names_its_maker, name, is_own in found:
        try:
            if is_open:
                drop_database(connection, database, force=names_its_maker)
                log.info("left_over_dropped", database=database)
            elif name is None or not is_own:
                # Its owner wrote what its name should be: nobody else vouches for that.
                log.warning("whole_draft_kept", database=database, hint="a whole restored database: rename or drop it")
            else:
                _name(connection, database, name)
                log.warning("whole_draft_named", database=database, name=name)
                on_named(name)
        except LedgerError as error:
            if connection.closed:
                raise
            # Room that is taken for longer, and no reason to do without a backup.
            log.warning("left_over_not_settled", database=database, name=name, error=str(error))


def finished(name: str) -> str:
    """What is to be said of a database whose restore ended when it had all but its name."""
    return (
        f"{name} is there now and is whole: the restore into it ended when only its name was missing; "
        f"`alpha restore --switch-to {name}` goes on with it, else drop it"
    )


def drop_database(connection: Connection, name: str, *, force: bool = True) -> None:
    """Drops a database and ends the sessions on it, as far as the user of `connection` may end them. Without `force` it
    ends none. Raises LedgerUnavailable (55006) when somebody is still there after some seconds.

    Not WITH (FORCE): that refuses a user who is no superuser while autovacuum is at work in the database, which without
    it PostgreSQL itself sends away.
    """
    if force:
        _send_away(connection, name)
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _maker(connection: Connection) -> str:
    with single_statement(connection) as cursor:
        cursor.execute(f"SELECT {_MAKER} FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        row = cursor.fetchone()
    assert row is not None, "a session sees itself"
    return str(row[0])


def _create(connection: Connection, name: str) -> None:
    with single_statement(connection) as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))


def _hand_over(connection: Connection, draft: str, name: str) -> None:
    """Gives a whole draft its name, which PostgreSQL does only while nobody is connected to it: a person who looks
    around, or a monitoring, must not cost what took hours."""
    with transaction(connection) as cursor:
        cursor.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(draft), sql.Literal(_TO_BE_NAMED + name))
        )
        cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(draft)))
    until = time.monotonic() + _HAND_OVER_WITHIN_S
    while True:
        _send_away(connection, draft)
        try:
            # Waits some seconds by itself for those who are about to go.
            _name(connection, draft, name)
            return
        except LedgerUnavailable as error:
            if error.sqlstate != _IN_USE:
                raise
            if time.monotonic() >= until:
                by_hand = "; ".join(statement.as_string(connection) for statement in _naming(draft, name))
                raise DraftKept(
                    f"{draft} is whole and is kept, but somebody is connected to it who may not be sent away, so it "
                    f"could not be named {name}. As soon as nobody is, the next backup or restore of the same login "
                    f"does that; by hand: {by_hand}"
                ) from error


def _name(connection: Connection, draft: str, name: str) -> None:
    """All of it or nothing. Raises LedgerUnavailable (55006) while somebody is connected to the draft, LedgerRefused
    when there is a database `name`."""
    with transaction(connection) as cursor:
        for statement in _naming(draft, name):
            cursor.execute(statement)


def _naming(draft: str, name: str) -> tuple[sql.Composed, ...]:
    return (
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(name)),
        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)),
        sql.SQL("COMMENT ON DATABASE {} IS NULL").format(sql.Identifier(name)),
    )


def _send_away(connection: Connection, name: str) -> None:
    """Ends the sessions on a database, as far as the user of `connection` may."""
    with single_statement(connection) as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'", (name,)
        )
        pids = cursor.fetchall()
    for pid in pids:
        with contextlib.suppress(LedgerRefused), single_statement(connection) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", pid)


def _exists(connection: Connection, name: str) -> bool:
    with single_statement(connection) as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None
