"""Empty databases of both supported ends of PostgreSQL's versions, and a listener's way of recording."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Dsn, connect
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.local.postgres import EmbeddedPostgres
from tests.integration.ledger.heard import MAIN
from tests.support import Database

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_18(server_home: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_home, major=18, durable=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module", params=[16, 18], ids=["postgres16", "postgres18"])
def server(request: pytest.FixtureRequest) -> EmbeddedPostgres:
    """Both majors in turn."""
    name = "postgres_server" if request.param == 16 else "postgres_18"
    found: EmbeddedPostgres = request.getfixturevalue(name)
    return found


@pytest.fixture
def empty(server: EmbeddedPostgres) -> Iterator[Dsn]:
    """A database with nothing in it, as its owner."""
    name = f"empty_{next(_numbers)}"
    server.create_database(name)
    yield server.dsn(dbname=name)
    server.drop_database(name)


@pytest.fixture
def login(database: Database) -> Iterator[Callable[[str], Connection]]:
    """Connections as a member of a group, or as the owner; closed at the end."""
    opened: list[Connection] = []

    def open_as(group: str) -> Connection:
        dsn = database.owner if group == "owner" else database.dsn(group)
        opened.append(connect(dsn, "tests"))
        return opened[-1]

    yield open_as
    for connection in opened:
        connection.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Connection]:
    """The listener's connection."""
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        yield connection


@pytest.fixture
def epochs(writer: Connection) -> Mapping[AccountName, int]:
    return {MAIN: take_account(writer, MAIN, "tests")}


@pytest.fixture
def recorder(writer: Connection, epochs: Mapping[AccountName, int]) -> FillRecorder:
    """A recorder that holds the account `main`."""
    return FillRecorder(writer, epochs)
