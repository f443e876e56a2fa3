"""Where the trials of parameter sweeps live: a schema of its own beside the ledger, filled by Optuna."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from alpha.ledger.connection import Dsn, connect, transaction

SCHEMA = "sweeps"


def make_schema(dsn: Dsn) -> None:
    """Makes the schema if it is not there. Raises LedgerUnavailable, or LedgerRefused when the login may not."""
    with closing(connect(dsn, "alpha-sweep")) as connection, transaction(connection) as cursor:
        # Two machines that begin at once would both try to make it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('alpha.sweeps', 0))")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")


@contextmanager
def alone(dsn: Dsn) -> Iterator[None]:
    """While in here nobody else is who asks the same, on whatever machine. Waits as long as it takes: another may be
    queueing a hundred thousand trials. Raises LedgerUnavailable."""
    with closing(connect(dsn, "alpha-sweep", statement_timeout_s=0)) as connection:
        # Held by the connection and not by a transaction, which would be open all the while.
        with transaction(connection) as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('alpha.sweeps.queue', 0))")
        yield


def url_of(dsn: Dsn) -> str:
    """As SQLAlchemy writes it, the password included."""
    user, password = quote(dsn.user, safe=""), quote(dsn.password, safe="")
    if dsn.host.startswith("/"):
        return f"postgresql+psycopg2://{user}:{password}@/{dsn.dbname}?host={quote(dsn.host, safe='')}&port={dsn.port}"
    return f"postgresql+psycopg2://{user}:{password}@{dsn.host}:{dsn.port}/{dsn.dbname}"
