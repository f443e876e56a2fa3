"""A ledger with a listener's login, a person's, and two registered bots on one account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, connect
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import release_leases, take_account
from tests.integration.accounting.scenes import register
from tests.integration.ledger.heard import MAIN
from tests.support import Database


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    """For what no login of the platform may do."""
    with closing(connect(database.owner, "tests")) as connection:
        yield connection


@pytest.fixture
def writer(database: Database) -> Iterator[Connection]:
    """The listener's connection; the bots of the tests are registered."""
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        register(connection, MAIN)
        yield connection


@pytest.fixture
def commander(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("commander"), "tests")) as connection:
        yield connection


@pytest.fixture
def epochs(writer: Connection) -> Mapping[AccountName, int]:
    """The account `main` is ours, and nobody's lease on it lasts."""
    epochs = {MAIN: take_account(writer, MAIN, "tests")}
    release_leases(writer, epochs)
    return epochs


@pytest.fixture
def recorder(writer: Connection, epochs: Mapping[AccountName, int]) -> FillRecorder:
    return FillRecorder(writer, epochs)
