"""Live prices: one paper exchange follows another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client
from tests.support import eventually


def follower_of(upstream: ExchangeProcess, folder: Path) -> ExchangeProcess:
    options = ["--live", "--live-rest-url", upstream.rest_url, "--history-minutes", "1200", "--step", "0.2"]
    options += ["--live-stream-url", upstream.rest_url.replace("http", "ws", 1)]
    return ExchangeProcess(folder, symbols=(BTC,), state=True, lockstep="off", paused=False, options=options)


@pytest.fixture
def upstream(tmp_path: Path) -> Any:
    with ExchangeProcess(tmp_path / "upstream", symbols=(BTC, "ETHUSDT"), speed=100_000, state=True) as exchange:
        exchange.admin.run(3)
        yield exchange


def test_prices_are_the_upstreams_and_orders_fill_at_once(upstream: ExchangeProcess, tmp_path: Path) -> None:
    with follower_of(upstream, tmp_path / "follower") as exchange:
        eventually(lambda: "upstream_followed" in exchange.log.read_text(), what="the upstream to be followed")
        http, above = client(exchange), client(upstream)
        assert _closed(http) == _closed(above)
        upstream.admin.run(1)
        _eventually_at(exchange, upstream)
        # when
        placed = buy(http, "0.005", orderLinkId="on-live-prices")
        (fill, *_) = http.get_executions(**LINEAR, orderId=placed["orderId"])["result"]["list"]
        # then it is filled at once, half a spread above the upstream's price
        last = float(_ticker(above)["lastPrice"])
        assert last < float(fill["execPrice"]) < last * 1.0002
        # and another bar moves the position's mark
        upstream.admin.run(1)
        _eventually_at(exchange, upstream)
        assert _ticker(http)["markPrice"] == _ticker(above)["markPrice"]
        body = {"market_time": 1}
        headers = {"X-Admin-Token": exchange.admin.token}
        refused = requests.post(f"{exchange.admin.url}/admin/set-time", json=body, headers=headers, timeout=10)
        assert (refused.status_code, "another exchange" in refused.text) == (400, True)


def test_what_happened_while_it_was_dead_is_caught_up_with(upstream: ExchangeProcess, tmp_path: Path) -> None:
    exchange = follower_of(upstream, tmp_path / "follower")
    with exchange:
        eventually(lambda: "upstream_followed" in exchange.log.read_text(), what="the upstream to be followed")
        upstream.admin.run(2)
        _eventually_at(exchange, upstream)
        buy(client(exchange), "0.005", orderLinkId="before")
        journal = exchange.executions()
        assert journal
        # when it dies, the market goes on, and it comes back
        exchange.kill()
        upstream.admin.run(2)
        exchange.start()
        # then it is what it was, and where the upstream is
        assert exchange.executions() == journal
        _eventually_at(exchange, upstream)
        assert _closed(client(exchange), 10) == _closed(client(upstream), 10)


def test_an_upstream_that_dies_and_comes_back_is_followed_again(upstream: ExchangeProcess, tmp_path: Path) -> None:
    with follower_of(upstream, tmp_path / "follower") as exchange:
        eventually(lambda: "upstream_followed" in exchange.log.read_text(), what="the upstream to be followed")
        upstream.admin.run(1)
        _eventually_at(exchange, upstream)
        # when
        upstream.kill()
        eventually(lambda: "upstream_lost" in exchange.log.read_text(), what="the upstream to be missed")
        upstream.start()
        eventually(lambda: exchange.log.read_text().count("upstream_followed") == 2, what="the upstream once more")
        # then
        upstream.admin.run(1)
        _eventually_at(exchange, upstream)
        assert exchange.admin.state()["ended"] is False


def test_without_an_upstream_it_says_so(tmp_path: Path) -> None:
    exchange = ExchangeProcess(tmp_path, options=["--live", "--live-rest-url", "http://127.0.0.1:1"])
    with pytest.raises(RuntimeError, match=r"http://127\.0\.0\.1:1.* cannot be asked"):
        exchange.start()


def _eventually_at(exchange: ExchangeProcess, upstream: ExchangeProcess) -> None:
    wanted = _ticker(client(upstream))["lastPrice"]
    eventually(lambda: _ticker(client(exchange))["lastPrice"] == wanted, what=f"the price {wanted}")


def _ticker(http: Any) -> dict[str, str]:
    row: dict[str, str] = http.get_tickers(**LINEAR, symbol=BTC)["result"]["list"][0]
    return row


def _closed(http: Any, limit: int = 300) -> list[list[str]]:
    """The closed minutes by start and prices, newest first."""
    rows = http.get_kline(**LINEAR, symbol=BTC, interval="1", limit=limit)["result"]["list"][1:]
    return [row[:6] for row in rows]
