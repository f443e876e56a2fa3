from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.proof.scene import BTC, ETH, Scene, Venue
from tests.support import Database


@pytest.fixture(scope="session")
def days_of_trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """Three days with longs, shorts, partial closes and flips of two bots, and funding."""
    with Venue(tmp_path_factory.mktemp("days-of-trading")) as venue:
        # 12 x 75 five-minute bars are 3 days and 3 hours; funding is paid every eight.
        for number, (btc, eth) in enumerate([("0.05", "0.8"), ("0.02", "1.3"), ("0.07", "0.4")] * 4):
            way, other = ("Buy", "Sell") if number % 2 == 0 else ("Sell", "Buy")
            venue.trade((BTC, way, btc), (ETH, other, eth))
            venue.run(40)
            venue.trade((BTC, other, "0.03"), (ETH, way, "0.37"), (BTC, other, "0.011"))
            venue.run(35)
        yield venue


@pytest.fixture
def traded(days_of_trading: Venue, database: Database) -> Iterator[Scene]:
    """The days of trading, recorded in a ledger of the test's own."""
    with Scene(days_of_trading, database) as scene:
        scene.record()
        yield scene
