"""The market's time in the hands of the administration: speed, steps, full lockstep, and states to come back to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client
from tests.integration.exchange.raw_socket import raw_socket
from tests.support import eventually

BAR_MS = 300_000


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """At market speed, where a bar takes five minutes of ours."""
    with ExchangeProcess(tmp_path_factory.mktemp("clock"), speed=1, state=True) as process:
        yield process


def test_steps_do_not_wait_for_their_time(exchange: ExchangeProcess) -> None:
    before = exchange.admin.state()
    after = exchange.admin.post("step", steps=3)
    assert (after["bars"], after["paused"]) == (before["bars"] + 3, True)


def test_the_time_is_set_to_the_first_step_that_reaches_it(exchange: ExchangeProcess) -> None:
    now = exchange.admin.state()["market_time"]
    after = exchange.admin.post("set-time", market_time=now + 4 * BAR_MS - 1)
    assert (after["market_time"], after["paused"]) == (now + 4 * BAR_MS, True)
    assert exchange.admin.post("set-time", market_time=after["market_time"])["market_time"] == after["market_time"]


def test_a_new_speed_holds_for_the_step_that_is_waited_for(exchange: ExchangeProcess) -> None:
    # given a market that has to wait minutes for its next bar
    bars = exchange.admin.post("speed", speed=1)["bars"]
    exchange.admin.resume()
    # when
    assert exchange.admin.post("speed", speed=30_000)["speed"] == 30_000
    # then
    eventually(lambda: exchange.admin.state()["bars"] > bars + 2, what="bars at the new speed")
    exchange.admin.pause()


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("speed", {"speed": 0}, "above 0"),
        ("speed", {"speed": "fast"}, "above 0"),
        ("step", {"steps": 0}, "at least 1"),
        ("step", {"steps": 1.5}, "at least 1"),
        ("set-time", {"market_time": 1}, "does not go back"),
        ("set-time", {"market_time": 10**20}, "milliseconds"),
        ("save", {"name": "../x"}, "name must be"),
        ("restore", {"name": "never"}, "nothing was saved as never"),
    ],
)
def test_what_cannot_be_is_refused(exchange: ExchangeProcess, name: str, body: dict[str, Any], says: str) -> None:
    headers = {"X-Admin-Token": exchange.admin.token}
    answer = requests.post(f"{exchange.admin.url}/admin/{name}", json=body, headers=headers, timeout=10)
    assert (answer.status_code, says in answer.json()["error"]) == (400, True), answer.text


async def test_a_saved_state_is_come_back_to(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    buy(http, "0.010", orderLinkId="before-save")
    exchange.admin.post("step", steps=1)
    saved, journal = exchange.admin.post("save", name="here"), exchange.executions()
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"orderbook.50.{BTC}")
        book = (await socket.next())["data"]
        # when other things happen and are taken back
        buy(http, "0.020", orderLinkId="undone")
        exchange.admin.post("step", steps=2)
        assert exchange.executions() != journal
        restored = exchange.admin.post("restore", name="here")
        # then everything is as it was
        for name in ("market_time", "bars", "orders", "executions"):
            assert restored[name] == saved[name], name
        assert exchange.executions() == journal
        assert http.get_executions(**LINEAR, orderLinkId="undone")["result"]["list"] == []
        # and whoever holds a book gets it anew, as after a restart of Bybit's service
        while (frame := await socket.next())["type"] != "snapshot":
            pass
        assert (frame["data"]["u"], frame["data"]["b"], frame["data"]["a"]) == (1, book["b"], book["a"])
    # and it goes on from there, also after its death
    buy(http, "0.020", orderLinkId="undone")
    exchange.admin.post("step", steps=1)
    again = exchange.executions()
    assert len(again) > len(journal)
    exchange.kill()
    exchange.start()
    assert exchange.executions() == again


def test_only_what_has_a_state_can_be_saved(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path) as exchange, pytest.raises(requests.HTTPError, match="400"):
        exchange.admin.post("save", name="here")


def test_full_lockstep_waits_for_its_bots_as_long_as_it_takes(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, speed=100_000, lockstep="full", options=["--bots", "2"]) as exchange:
        ran: list[dict[str, Any]] = []
        running = threading.Thread(target=lambda: ran.append(exchange.admin.run(2)))
        running.start()
        # given two bots, without which nothing moves
        _tell(exchange, "canary_001", done=None)
        assert exchange.admin.state()["bars"] == 0
        _tell(exchange, "canary_002", done=None)
        first = eventually(lambda: exchange.admin.state()["bars"] == 1 and exchange.admin.state(), what="the first bar")
        assert first["waiting_for"] == ["canary_001", "canary_002"]
        # when one of them is done and the other never will be
        far = first["market_time"] + 100 * BAR_MS
        _tell(exchange, "canary_001", done=far)
        eventually(lambda: exchange.admin.state()["waiting_for"] == ["canary_002"], what="only one to be waited for")
        assert exchange.admin.state()["bars"] == 1
        exchange.admin.post("forget-bot", bot="canary_002")
        # then the market goes on without it
        running.join(timeout=30)
        assert [state["bars"] for state in ran] == [2]
        assert ran[0]["bars_timed_out"] == 0


def test_full_lockstep_waits_for_its_bots_again_after_a_restore(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, speed=100_000, lockstep="full", state=True) as exchange:
        exchange.admin.run(1)
        saved = exchange.admin.post("save", name="here")
        _tell(exchange, "canary_001", done=saved["market_time"] + 100 * BAR_MS)
        assert exchange.admin.run(2)["waiting_for"] == []
        assert exchange.admin.post("restore", name="here")["waiting_for"] == ["canary_001"]
        # when the market goes on, it stops at the first bar that the bot has not decided on
        running = threading.Thread(target=lambda: exchange.admin.run(2))
        running.start()
        first = eventually(lambda: (state := exchange.admin.state())["bars"] == 2 and state, what="the first bar")
        assert first["waiting_for"] == ["canary_001"]
        _tell(exchange, "canary_001", done=first["market_time"] + BAR_MS)
        running.join(timeout=30)
        assert exchange.admin.state()["bars"] == 3


def _tell(exchange: ExchangeProcess, bot: str, *, done: int | None) -> None:
    headers = {"X-BAPI-API-KEY": exchange.accounts["canary"].api_key}
    body: dict[str, Any] = {"bot": bot, "executions": [], "done": done}
    answer = requests.post(f"{exchange.rest_url}/paper/lockstep", json=body, headers=headers, timeout=10)
    assert answer.json()["retCode"] == 0, answer.text
