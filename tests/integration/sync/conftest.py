from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alpha.live.connection import RedisAddress
from tests.exchange_process import ExchangeProcess
from tests.integration.sync.scene import Scene
from tests.support import Database


@pytest.fixture
def scene(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Scene]:
    with Scene(tmp_path, paper_exchange, database, redis_address) as scene:
        yield scene
