from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import psycopg2
import psycopg2.errors
from psycopg2 import extensions
from psycopg2.extras import Json

from alpha.domain.errors import AlphaError, InvariantViolated, Unreachable
from alpha.domain.ids import AccountName

__all__ = [
    "LOCK_NOT_AVAILABLE",
    "Connection",
    "Cursor",
    "Dsn",
    "Fenced",
    "LedgerError",
    "LedgerRefused",
    "LedgerUnavailable",
    "as_json",
    "connect",
    "single_statement",
    "transaction",
]


Cursor = extensions.cursor

LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code for a lock that was waited for as long as `lock_timeout` allows."""

# What says nothing against the work itself. A server that was made read-only (a standby after a failover, a person, a
# guard against a full disk) is none of the driver's OperationalErrors, and it passes like one.
_PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.ReadOnlySqlTransaction)


class LedgerError(AlphaError):
    """Root of what PostgreSQL can answer."""


class LedgerUnavailable(LedgerError, Unreachable):
    """PostgreSQL cannot be reached, is too slow, ended the connection, or writes nothing for now (its disk is full, it
    was made read-only). Try again; on a new connection if it closed.

    `commit_unknown` is True when the answer to COMMIT was lost: the work may be done, so repeat it only where a repeat
    changes nothing (the recorder, upserts). Otherwise nothing was written. `sqlstate` is PostgreSQL's own code, "" when
    it said nothing (https://www.postgresql.org/docs/16/errcodes-appendix.html).
    """

    def __init__(self, text: str, *, commit_unknown: bool = False, sqlstate: str = "") -> None:
        super().__init__(text)
        self.commit_unknown = commit_unknown
        self.sqlstate = sqlstate


class LedgerRefused(LedgerError):
    """PostgreSQL said no: permission, constraint, append-only table. Nothing was written, nor would be next time."""


class Fenced(LedgerRefused):
    """Another holder took these accounts: whoever is told this stops writing for them."""

    def __init__(self, accounts: tuple[AccountName, ...]) -> None:
        super().__init__(f"another listener holds {', '.join(accounts)}: its epoch is newer, nothing was written")
        self.accounts = accounts


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where a database is and who asks. `host` may be the folder of a Unix socket."""

    host: str
    port: int
    dbname: str
    user: str
    password: str = field(repr=False)


class Connection(extensions.connection):
    """A psycopg2 connection that knows how deep in `transaction` it is. One thread uses it at a time."""

    transaction_depth: int = 0
    transaction_prelude: str = ""


def connect(dsn: Dsn, application_name: str, statement_timeout_s: float = 10, *, pooled: bool = False) -> Connection:
    """A connection whose times come back in UTC. Raises LedgerUnavailable.

    `pooled` is for PgBouncer in transaction mode, which keeps no session settings: they are then made in each
    transaction.
    """
    settings = {"TimeZone": "UTC", "statement_timeout": f"{int(statement_timeout_s * 1000)}"}
    options = None if pooled else " ".join(f"-c {name}={value}" for name, value in settings.items())
    try:
        connection: Connection = psycopg2.connect(
            host=dsn.host,
            port=dsn.port,
            dbname=dsn.dbname,
            user=dsn.user,
            password=dsn.password,
            application_name=application_name,
            connect_timeout=5,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=15_000,
            connection_factory=Connection,
            options=options,
        )
    except psycopg2.OperationalError as error:
        raise LedgerUnavailable(
            f"PostgreSQL at {dsn.host}:{dsn.port} does not let {dsn.user} into {dsn.dbname}: {_first_line(error)}"
        ) from error
    if pooled:
        connection.transaction_prelude = ";".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """A cursor in a transaction: committed at the end, rolled back on any error. Inside another one it joins that.

    Raises LedgerUnavailable or LedgerRefused for what the driver raises; other errors pass through.
    """
    if connection.transaction_depth:
        with connection.cursor() as cursor:
            yield cursor
        return
    connection.transaction_depth += 1
    committing = False
    try:
        with connection.cursor() as cursor:
            if connection.transaction_prelude:
                cursor.execute(connection.transaction_prelude)
            yield cursor
        committing = True
        connection.commit()
    except _PASSING as error:
        _roll_back(connection)
        raise LedgerUnavailable(
            f"PostgreSQL did not finish: {_first_line(error)}",
            commit_unknown=committing and error.pgcode is None,
            sqlstate=error.pgcode or "",
        ) from error
    except psycopg2.Error as error:
        _roll_back(connection)
        raise LedgerRefused(f"PostgreSQL refused: {_first_line(error)}") from error
    except BaseException:
        _roll_back(connection)
        raise
    finally:
        connection.transaction_depth -= 1


@contextmanager
def single_statement(connection: Connection) -> Iterator[Cursor]:
    """A cursor whose statements are each a transaction of their own, committed when they are answered. Not inside of
    `transaction`, and not for pooled connections.

    Raises as `transaction` does; when the connection was lost meanwhile the statement may have been done.
    """
    if connection.transaction_depth or connection.transaction_prelude:
        raise InvariantViolated("a single statement stands for itself")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    except _PASSING as error:
        raise LedgerUnavailable(
            f"PostgreSQL did not finish: {_first_line(error)}",
            commit_unknown=error.pgcode is None,
            sqlstate=error.pgcode or "",
        ) from error
    except psycopg2.Error as error:
        raise LedgerRefused(f"PostgreSQL refused: {_first_line(error)}") from error
    finally:
        if not connection.closed:
            connection.autocommit = False


def as_json(value: object) -> Json:
    """A parameter for a jsonb column; money goes in as strings."""
    return Json(value, dumps=_dumps)


def _dumps(value: object) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()


def _roll_back(connection: Connection) -> None:
    try:
        connection.rollback()
    except psycopg2.Error:
        # The connection is gone, and with it the transaction.
        connection.close()


def _first_line(error: psycopg2.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
