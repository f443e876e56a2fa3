from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from alpha.ledger.connection import Dsn
from alpha.local.postgres import EmbeddedPostgres
from tests.support import Database


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres, migrated_template: Database) -> Iterator[Dsn]:
    """A second migrated database of the test's own, as its owner."""
    name = "bench_second"
    postgres_server.create_database(name, template=migrated_template.owner.dbname)
    yield replace(migrated_template.owner, dbname=name)
    postgres_server.drop_database(name)
