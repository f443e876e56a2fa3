from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alpha.local.postgres import EmbeddedPostgres
from tests.integration.ledger.conftest import epochs, login, recorder, writer
from tests.support import Database

__all__ = ["epochs", "login", "recorder", "writer"]

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def module_database(postgres_server: EmbeddedPostgres, migrated_template: Database) -> Iterator[Database]:
    """A migrated database for all tests of a module."""
    name = f"rollups_{next(_numbers)}"
    postgres_server.create_database(name, template=migrated_template.owner.dbname)
    yield Database(replace(migrated_template.owner, dbname=name), dict(migrated_template.passwords))
    postgres_server.drop_database(name)
