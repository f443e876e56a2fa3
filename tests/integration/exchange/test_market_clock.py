"""The market's pace, its pauses, and how it waits for bots."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@pytest.mark.slow
def test_bars_keep_their_schedule(tmp_path: Path) -> None:
    # 50 bars of 40 ms are two seconds; what each bar costs must not add up
    with ExchangeProcess(tmp_path, speed=7_500) as exchange:
        started = time.monotonic()
        state = exchange.admin.run(50)
        took = time.monotonic() - started
    assert state["bars"] == 50
    assert 1.9 < took < 2.6


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


def test_a_bar_waits_for_its_bot_and_not_a_moment_longer(slow_market: ExchangeProcess) -> None:
    # given a bot that needs 60 ms for each bar, three times the bar
    with _bot(slow_market, answers_after_s=0.06) as done:
        eventually(lambda: done(), what="the bot to be known")
        before = slow_market.admin.state()
        # when
        started = time.monotonic()
        after = slow_market.admin.run(10)
        took = time.monotonic() - started
    # then ten bars took ten times as long as the bot, and not every one all the time there is for it (on a busy machine
    # a bot may be late by itself)
    assert took > 0.55
    assert after["bars_timed_out"] - before["bars_timed_out"] < 5
    assert after["bars_waited"] >= before["bars_waited"] + 9


@pytest.mark.slow
def test_a_silent_bot_is_waited_for_at_most_a_quarter_second_and_then_forgotten(slow_market: ExchangeProcess) -> None:
    _tell(slow_market, {"bot": "canary_001", "executions": [], "done": None})
    started = time.monotonic()
    state = slow_market.admin.run(20)
    took = time.monotonic() - started
    assert 20 * 0.25 <= took < 20 * 0.25 + 1.5
    assert state["bars_timed_out"] == 20
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


def _tell(exchange: ExchangeProcess, body: dict[str, Any]) -> None:
    headers = {"X-BAPI-API-KEY": exchange.accounts["canary"].api_key}
    answer = requests.post(f"{exchange.rest_url}/paper/lockstep", json=body, headers=headers, timeout=10)
    assert answer.json()["retCode"] == 0, answer.text


@contextmanager
def _bot(exchange: ExchangeProcess, *, answers_after_s: float) -> Iterator[Callable[[], int]]:
    """A bot that follows the market's clock and says done for each bar, but late."""
    ends, told = threading.Event(), [0]

    def live() -> None:
        session = requests.Session()
        headers = {"X-BAPI-API-KEY": exchange.accounts["canary"].api_key}
        seen = 0
        while not ends.is_set():
            answer = session.get(f"{exchange.rest_url}/v5/market/time", timeout=10)
            now = int(answer.headers["X-Alpha-Market-Time"])
            if now > seen:
                time.sleep(answers_after_s)
                body = {"bot": "canary_001", "executions": [], "done": now}
                session.post(f"{exchange.rest_url}/paper/lockstep", json=body, headers=headers, timeout=10)
                seen, told[0] = now, told[0] + 1

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield lambda: told[0]
    finally:
        ends.set()
        thread.join()
