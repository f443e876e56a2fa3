"""The market feed as a process: closed bars without a gap, and prices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.live import market
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.health import read_feed_health
from tests.exchange_process import ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import BTCUSDT, ETHUSDT, SHORTSELLER
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually

pytestmark = pytest.mark.slow
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def fed(
    tmp_path: Path, paper_exchange: ExchangeProcess, database: Database, redis_address: RedisAddress
) -> Iterator[Followed]:
    with Relay(paper_exchange.private_url) as relay:
        everything = Followed(tmp_path, paper_exchange, database, redis_address, relay)
        with everything.feed as feed:
            eventually(lambda: feed.health().get("state") == "live", within_s=20, what="the feed to be subscribed")
            yield everything
        everything.trader.close()


def bars(fed: Followed, symbol: Symbol = BTCUSDT) -> list[Bar]:
    with open_redis(fed.redis, STATE_DB) as client:
        return market.read_bars(client, FIVE_MINUTES, {symbol: None})


def until_bars(fed: Followed, count: int) -> list[Bar]:
    """Waits for so many bars of both symbols, equal to what the exchange serves; answers those of BTCUSDT."""

    def complete() -> bool:
        for symbol in (BTCUSDT, ETHUSDT):
            found = bars(fed, symbol)
            assert len(found) == count
            client = fed.trader.clients[SHORTSELLER]
            assert found == client.klines(symbol, FIVE_MINUTES, found[0].start, client.market_time())
        return True

    eventually(complete, what=f"{count} bars without a gap")
    return bars(fed)


def test_closed_bars_and_prices_arrive(fed: Followed) -> None:
    fed.exchange.admin.run(5)
    found = until_bars(fed, 5)
    with open_redis(fed.redis, STATE_DB) as client:
        ticker = eventually(lambda: market.read_ticker(client, BTCUSDT), what="a ticker")
        assert ticker.last_price == found[-1].close
        assert ticker.at == found[-1].end
        health = eventually(lambda: read_feed_health(client), what="the feed's health")
        assert health.is_live()
        eventually(lambda: (read_feed_health(client) or health).last_bar_at == found[-1].end, what="the last bar's end")


def test_bars_that_closed_while_the_feed_was_dead_are_fetched(fed: Followed) -> None:
    fed.exchange.admin.run(3)
    until_bars(fed, 3)
    fed.feed.kill()
    fed.exchange.admin.run(4)
    fed.feed.start()
    until_bars(fed, 7)
    fed.exchange.admin.run(2)
    until_bars(fed, 9)


def test_after_a_flush_the_next_bars_come(fed: Followed) -> None:
    fed.exchange.admin.run(3)
    until_bars(fed, 3)
    with open_redis(fed.redis, STATE_DB) as client:
        client.flushall()
    fed.exchange.admin.run(2)
    until_bars(fed, 2)


def test_bars_of_a_market_that_was_set_back_are_dropped(fed: Followed) -> None:
    fed.exchange.admin.run(5)
    until_bars(fed, 5)
    fed.exchange.kill()
    fed.exchange.start()  # without its state: the market begins anew
    eventually(lambda: bars(fed) == [], what="no bars of the future")
    eventually(lambda: fed.feed.health().get("state") == "live", what="the feed to be subscribed again")
    fed.exchange.admin.run(2)
    until_bars(fed, 2)


def test_it_ends_cleanly_when_asked(fed: Followed) -> None:
    assert fed.feed.stop() == 0
