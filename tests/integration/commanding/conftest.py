from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpha.live.connection import RedisAddress
from tests.exchange_process import ExchangeProcess
from tests.integration.commanding.scene import AT_ONCE, Scene
from tests.support import Database


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    """Two accounts on an exchange that matches at once, for the tests of a module."""
    folder = Path(tempfile.mkdtemp(prefix="alpha-commanding-"))
    try:
        with ExchangeProcess(folder, options=AT_ONCE) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def scene(
    exchange: ExchangeProcess, tmp_path: Path, database: Database, redis_address: RedisAddress
) -> Iterator[Scene]:
    """Nothing on the accounts, nothing written anywhere."""
    made = Scene(exchange, tmp_path, database.dsn("commander"), redis_address)
    yield made
    made.close_desks()
    made.clear()
    made.close()
