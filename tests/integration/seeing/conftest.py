from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alpha.ledger.connection import Connection, connect
from alpha.live.connection import RedisAddress
from tests.integration.seeing.stage import Stage
from tests.support import Database


@pytest.fixture
def empty_stage(database: Database, redis_address: RedisAddress, tmp_path: Path) -> Stage:
    """A migrated ledger and a Redis with nothing in them."""
    return Stage(database, redis_address, tmp_path)


@pytest.fixture
def stage(empty_stage: Stage) -> Stage:
    """With the ledger and live state that is well."""
    empty_stage.load()
    empty_stage.live()
    return empty_stage


@pytest.fixture
def reader(stage: Stage) -> Iterator[Connection]:
    with closing(connect(stage.database.dsn("commander"), "tests")) as connection:
        yield connection
