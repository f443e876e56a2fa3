"""Where a generated ledger is while it is measured: a database of the run, or the copy of one that a folder keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Protocol

from alpha.ledger.connection import Connection, Dsn, connect, single_statement
from alpha.local.postgres import EmbeddedPostgres
from benchmarks.growth_ledger import GENERATOR, GrowthLedger
from benchmarks.scene import BenchmarkFailed
from benchmarks.servers import Servers
from database.migrate import migrate

Progress = Callable[[str], None]
"""Told what is being done."""

_NO_TIMEOUT_S = 3600
_STOP_WITHIN_S = 60
_MAKING, _COPY = "growth_making", "growth_copy"


class Ledgers(Protocol):
    """Generated ledgers, each for whoever measures it to change."""

    def opened(self, ledger: GrowthLedger) -> AbstractContextManager[Dsn]:
        """How the owner connects to a database with this ledger, which is dropped afterwards."""

    def origin(self, ledger: GrowthLedger) -> str:
        """How it came about, for the page of figures."""


class FreshLedgers:
    """Each generated for this run, on its servers."""

    def __init__(self, servers: Servers, progress: Progress) -> None:
        self._servers, self._progress = servers, progress

    @contextmanager
    def opened(self, ledger: GrowthLedger) -> Iterator[Dsn]:
        owner, _ = self._servers.fresh()
        try:
            _generate(owner, ledger, self._progress)
            yield owner
        finally:
            self._servers.postgres.drop_database(owner.dbname)

    def origin(self, _: GrowthLedger) -> str:
        return "generated in bulk"


class KeptLedgers:
    """Generated once, and kept in a folder with a PostgreSQL of their own (as durable as any): generating ten million
    fills takes longer than measuring them. What is measured is a copy, so that the next run finds what this one did."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._postgres = EmbeddedPostgres(folder)
        self._numbers = count(1)

    def __enter__(self) -> KeptLedgers:
        self._postgres.start()
        try:
            with self._administering() as connection:
                # What a run that was killed has left.
                _alter_system(connection, ["RESET ALL"])
                with single_statement(connection) as cursor:
                    cursor.execute("SELECT datname FROM pg_database WHERE datname ~ %s", (f"^({_MAKING}$|{_COPY}_)",))
                    left = cursor.fetchall()
            for (name,) in left:
                self._postgres.drop_database(name)
        except BaseException:
            self._postgres.stop(_STOP_WITHIN_S)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._postgres.stop(_STOP_WITHIN_S)

    def keep(self, ledger: GrowthLedger) -> None:
        """Generates it unless it is there. Raises BenchmarkFailed where one is that is generated otherwise today."""
        name, made = _name(ledger), self._made(ledger)
        if made is not None:
            if made[0] != GENERATOR:
                raise BenchmarkFailed(f"{self._folder} keeps a ledger of another generator: remove it, to have it anew")
            return
        self._postgres.create_database(_MAKING)
        owner = self._postgres.dsn(dbname=_MAKING)
        migrate(owner)
        _generate(owner, ledger, self._progress)
        with self._administering() as connection, single_statement(connection) as cursor:
            cursor.execute(f"COMMENT ON DATABASE {_MAKING} IS %s", (f"{GENERATOR} {datetime.now(UTC):%Y-%m-%d}",))
            # Under its name it is whole.
            cursor.execute(f"ALTER DATABASE {_MAKING} RENAME TO {name}")

    @contextmanager
    def opened(self, ledger: GrowthLedger) -> Iterator[Dsn]:
        self.keep(ledger)
        self._progress(f"copying {ledger.fills:,} fills that are kept")
        # By number: a small ledger is its own beginning, and then both are open at once.
        copy = f"{_COPY}_{next(self._numbers)}"
        try:
            with self._administering() as connection, single_statement(connection) as cursor:
                # By files, and not through the write-ahead log.
                cursor.execute(f"CREATE DATABASE {copy} TEMPLATE {_name(ledger)} STRATEGY file_copy")
            owner = self._postgres.dsn(dbname=copy)
            # Migrations that came since.
            migrate(owner)
            yield owner
        finally:
            self._postgres.drop_database(copy)

    def origin(self, ledger: GrowthLedger) -> str:
        made = self._made(ledger)
        return "generated in bulk" if made is None else f"generated in bulk on {made[1]}, kept, and copied for this run"

    def _made(self, ledger: GrowthLedger) -> tuple[str, str] | None:
        """By which generator, and when."""
        with self._administering() as connection, single_statement(connection) as cursor:
            cursor.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (_name(ledger),)
            )
            row = cursor.fetchone()
        if row is None:
            return None
        generator, _, day = str(row[0]).partition(" ")
        return generator, day

    def _administering(self) -> AbstractContextManager[Connection]:
        return closing(connect(self._postgres.dsn(dbname="postgres"), "bench", _NO_TIMEOUT_S))


def vacuum(connection: Connection, *tables: str) -> None:
    """All tables or these as autovacuum leaves them."""
    with single_statement(connection) as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {', '.join(tables)}")


def _generate(owner: Dsn, ledger: GrowthLedger, progress: Progress) -> None:
    with ExitStack() as open_ones:
        connection, other = (open_ones.enter_context(closing(connect(owner, "bench", _NO_TIMEOUT_S))) for _ in range(2))
        open_ones.enter_context(_loading(connection))
        ledger.load(connection, other, progress=progress)
        progress("VACUUM")
        vacuum(connection)


@contextmanager
def _loading(connection: Connection) -> Iterator[None]:
    """Without a checkpoint every few hundred megabytes; what is measured later runs as always."""
    settings = {"max_wal_size": "4GB", "full_page_writes": "off"}
    _alter_system(connection, [f"SET {name} = '{value}'" for name, value in settings.items()])
    try:
        yield
    finally:
        _alter_system(connection, [f"RESET {name}" for name in settings])


def _alter_system(connection: Connection, changes: list[str]) -> None:
    with single_statement(connection) as cursor:
        for change in changes:
            cursor.execute(f"ALTER SYSTEM {change}")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("CHECKPOINT")


def _name(ledger: GrowthLedger) -> str:
    return f"growth_{ledger.fills}_of_{ledger.full}"
