"""kill -9 of every process but the exchange, in the middle of trading, with positions open."""

from __future__ import annotations

import pytest

from tests.chaos.trading import Trading

pytestmark = pytest.mark.slow

PROCESSES = ("listener", "postgres", "valkey", "feed", "canary_001", "shortseller_001")


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_loses_no_fill_and_doubles_none(trading: Trading, name: str) -> None:
    # given bots that trade and hold something
    trading.resume()
    trading.more_fills(5)
    trading.with_a_position_open()
    # when the process is killed and another is started in its place
    trading.kill(name)
    # then trading goes on
    trading.more_fills(5, within_s=45)
    # and the ledger equals the exchange's journal, in every position too, with something open
    comparison = trading.at_rest()
    assert comparison.open_positions > 0
    assert comparison.exchange_fills == comparison.ledger_fills


def test_everything_killed_at_once_comes_back_whole(trading: Trading) -> None:
    trading.resume()
    trading.more_fills(3)
    trading.with_a_position_open()
    for name in PROCESSES:
        trading.kill(name)
    trading.more_fills(5, within_s=60)
    assert trading.at_rest().equal
    assert trading.verify()[0] == 0
