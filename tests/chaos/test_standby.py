"""The listener that records dies, stops or is cut off while fills arrive: the other one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alpha.live.connection import RedisAddress
from alpha.local.drill.network import LinkState
from tests.chaos.standby_pair import ACCOUNTS, Load, Pair
from tests.exchange_process import ExchangeProcess
from tests.support import Database, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Pair]:
    with Pair(tmp_path, paper_exchange, database, redis_address) as both:
        yield both


def taken_over(pair: Pair, event: str, happen: Callable[[], object]) -> None:
    """Lets something happen to the first listener under load, and waits until the second has gone on for a while."""
    before = pair.epochs()
    pair.until_fills(50)
    at = datetime.now(UTC)
    happen()
    pair.until_role(pair.second, "leader")
    pair.until_fills(50)
    assert all(pair.epochs()[account] > before[account] for account in ACCOUNTS)
    print(f"{event}: first live fill committed after {(pair.first_live_commit(at) - at).total_seconds():.2f} s")


@pytest.mark.parametrize("event", ["kill -9", "SIGTERM"])
def test_the_other_goes_on_and_nothing_is_lost_doubled_or_reordered(pair: Pair, event: str) -> None:
    load = Load(pair.exchange)
    load.start()
    taken_over(pair, event, pair.first.kill if event == "kill -9" else pair.first.stop)
    load.end()
    pair.until_redis_follows(pair.until_equal())


@pytest.mark.parametrize("event", ["SIGSTOP", "connections reset", "a silent network"])
def test_the_old_holder_comes_back_as_a_standby_and_writes_nothing(pair: Pair, event: str) -> None:
    happen, end = {
        "SIGSTOP": (pair.first.freeze, pair.first.thaw),
        "connections reset": (
            lambda: pair.cut_off(pair.first, LinkState.CUT),
            lambda: pair.cut_off(pair.first, LinkState.OPEN),
        ),
        "a silent network": (
            lambda: pair.cut_off(pair.first, LinkState.SILENT),
            lambda: pair.cut_off(pair.first, LinkState.OPEN),
        ),
    }[event]
    load = Load(pair.exchange)
    load.start()
    taken_over(pair, event, happen)
    held = pair.epochs()
    # when the old holder, with fills in its hands, can write again
    end()
    pair.until_role(pair.first, "standby")
    pair.until_fills(50)
    load.end()
    # then the epochs along each bot's numbers say that it wrote nothing, and it has nothing left to write
    pair.until_redis_follows(pair.until_equal())
    assert pair.epochs() == held
    assert pair.first.health()["backlog"] == 0
    # and when the new holder dies it is the old one's turn again
    pair.second.kill()
    pair.until_role(pair.first, "leader")
    pair.until_redis_follows(pair.until_equal())


def test_while_postgresql_is_away_nobody_takes_over_and_the_holder_goes_on(pair: Pair) -> None:
    before = pair.epochs()
    load = Load(pair.exchange)
    load.start()
    pair.until_fills(20)
    for listener in pair.listeners:
        pair.cut_off(listener, LinkState.CUT)
    eventually(lambda: pair.first.health()["backlog"] > 20, what="fills that wait")
    assert pair.first.account()["role"] == "leader"
    assert pair.second.account()["role"] == "standby"
    for listener in (pair.second, pair.first):
        pair.cut_off(listener, LinkState.OPEN)
    pair.until_fills(50)
    load.end()
    pair.until_redis_follows(pair.until_equal())
    assert pair.epochs() == before


def test_a_listener_that_starts_again_alone_goes_on(pair: Pair) -> None:
    pair.second.kill()
    load = Load(pair.exchange)
    load.start()
    pair.until_fills(20)
    pair.first.kill()
    pair.first.start()
    pair.until_role(pair.first, "leader")
    load.end()
    pair.until_redis_follows(pair.until_equal())
