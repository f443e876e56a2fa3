"""The market's beginning, its pauses, and how it waits for bots; its pace is that of `test_market_loop`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, buy, client, sell
from tests.support import eventually

BAR_MS = 300_000


def test_the_market_begins_when_it_is_told_to(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, speed=30_000) as exchange:
        before = exchange.admin.state()
        assert (before["paused"], before["bars"]) == (True, 0)
        exchange.admin.resume()
        eventually(lambda: exchange.admin.state()["bars"] > 3, what="the market to move")
        stands = exchange.admin.pause()
        assert stands["paused"] is True
        assert exchange.admin.state()["bars"] == stands["bars"]
        assert stands["market_time"] == before["market_time"] + stands["bars"] * BAR_MS


def test_a_pause_waits_for_an_open_position(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, speed=30_000) as exchange:
        http = client(exchange)
        exchange.admin.resume()
        buying = threading.Timer(0.3, buy, (http, "0.010"))
        buying.start()
        state = exchange.admin.pause(when_position_open=True, within_bars=10_000)
        buying.join()
        assert state["open_positions"] == 1
        assert state["accounts"]["canary"]["positions"] == [{"symbol": BTC, "side": "Buy", "size": "0.01"}]
        sell(http, "0.010", reduceOnly=True)
        exchange.admin.run(1)
        state = exchange.admin.pause(when_position_open=True, within_bars=3)
        assert (state["paused"], state["open_positions"]) == (True, 0)


def test_the_administration_needs_its_token(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        for headers in ({}, {"X-Admin-Token": "guess"}):
            answer = requests.get(f"{exchange.admin.url}/admin/state", headers=headers, timeout=10)
            assert answer.status_code == 401
        # and it is nowhere on the port that bots use
        headers = {"X-Admin-Token": exchange.admin.token}
        assert requests.get(f"{exchange.rest_url}/admin/state", headers=headers, timeout=10).status_code == 404
        bad = requests.post(f"{exchange.admin.url}/admin/run", json={"bars": "x"}, headers=headers, timeout=10)
        assert bad.status_code == 400
        with pytest.raises(requests.HTTPError, match="404"):
            exchange.admin.drop_sockets("nobody")


@pytest.fixture
def slow_market(tmp_path: Path) -> Iterator[ExchangeProcess]:
    """A bar is 20 ms, so that whoever is waited for can be seen."""
    with ExchangeProcess(tmp_path, speed=15_000) as exchange:
        yield exchange


def test_a_bar_waits_for_its_bot_and_goes_on_when_it_is_done(tmp_path: Path) -> None:
    # given a bot that is waited for as long as it takes, and ten bars that are due at once
    with ExchangeProcess(tmp_path, lockstep="full") as exchange:
        _tell(exchange, {"bot": "canary_001", "executions": [], "done": None})
        ran: list[dict[str, Any]] = []
        running = threading.Thread(target=lambda: ran.append(exchange.admin.post("step", steps=10)))
        running.start()
        # then each comes when the bot has decided on the one before, and not sooner
        for bar in range(1, 11):
            state = _at_bar(exchange, bar)
            assert (state["bars"], state["waiting_for"]) == (bar, ["canary_001"])
            _tell(exchange, {"bot": "canary_001", "executions": [], "done": state["market_time"]})
        running.join(timeout=30)
    assert [(state["bars"], state["bars_timed_out"]) for state in ran] == [(10, 0)]


@pytest.mark.slow
def test_a_silent_bot_is_waited_for_in_vain_and_then_forgotten(slow_market: ExchangeProcess) -> None:
    _tell(slow_market, {"bot": "canary_001", "executions": [], "done": None})
    assert slow_market.admin.run(20)["bars_timed_out"] == 20
    assert slow_market.admin.run(10)["bars_timed_out"] == 20


def test_executions_are_waited_for_before_the_bar_is_told(slow_market: ExchangeProcess) -> None:
    # given a bot that never says it has handled an execution, but is done with every bar at once
    http = client(slow_market)
    far = slow_market.admin.state()["market_time"] + 1_000 * BAR_MS
    _tell(slow_market, {"bot": "canary_001", "executions": [], "done": far})
    assert slow_market.admin.run(2)["bars_timed_out"] == 0
    # when
    buy(http, "0.001", orderLinkId="unhandled")
    timed_out = slow_market.admin.run(1)["bars_timed_out"]
    # then
    assert timed_out == 1
    # and when another account trades, nobody waits for this bot
    buy(client(slow_market, "shortseller"), "0.001")
    assert slow_market.admin.run(1)["bars_timed_out"] == 1


def test_lockstep_calls_that_cannot_be_are_refused(slow_market: ExchangeProcess) -> None:
    url = f"{slow_market.rest_url}/paper/lockstep"
    body: dict[str, Any] = {"bot": "canary_001", "executions": [], "done": None}
    assert requests.post(url, json=body, timeout=10).json()["retCode"] == 10003
    key = {"X-BAPI-API-KEY": slow_market.accounts["canary"].api_key}
    for wrong in ({"bot": 3}, {"bot": "x", "done": "now"}, {"bot": "x", "executions": "abc"}, {}):
        assert requests.post(url, json=wrong, headers=key, timeout=10).json()["retCode"] == 10001


def _at_bar(exchange: ExchangeProcess, bar: int) -> dict[str, Any]:
    """The state of the market once it has made so many bars, or more."""
    return eventually(lambda: (state := exchange.admin.state())["bars"] >= bar and state, what=f"bar {bar}")


def _tell(exchange: ExchangeProcess, body: dict[str, Any]) -> None:
    headers = {"X-BAPI-API-KEY": exchange.accounts["canary"].api_key}
    answer = requests.post(f"{exchange.rest_url}/paper/lockstep", json=body, headers=headers, timeout=10)
    assert answer.json()["retCode"] == 0, answer.text
