from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchange_process import SYMBOLS, ExchangeProcess

LISTED = (*SYMBOLS, "XRPUSDT")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One exchange for the tests of a module; each uses what of it the others do not disturb."""
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), symbols=LISTED, speed=100_000) as process:
        yield process
