"""The generator of load: market orders executed and published at once, by the hundred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exchange_process import SYMBOLS, ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, client
from tests.integration.exchange.listener import Listener, listening
from tests.support import eventually


def test_hundreds_of_orders_are_heard_listed_and_in_the_journal(exchange: ExchangeProcess) -> None:
    topics = ["execution", "order", "position", "wallet"]
    with listening(exchange, topics=topics) as canary, listening(exchange, "shortseller", topics) as other:
        before = len(exchange.executions())
        # when, in a market that stands still
        answer = exchange.admin.trade(_orders(300))
        # then
        made = exchange.executions()[before:]
        assert answer["executions"] == len(made) >= 300
        assert answer["refused"] == []
        assert [row["order_id"] for row in made if row["leaves"] == "0"] == answer["orders"]
        _heard_all(canary, [row["exec_id"] for row in made if row["account"] == "canary"])
        _heard_all(other, [row["exec_id"] for row in made if row["account"] == "shortseller"])
    listed = client(exchange).get_executions(**LINEAR, limit=100)["result"]["list"]
    assert {row["execId"] for row in listed} <= {row["exec_id"] for row in made if row["account"] == "canary"}


def test_executions_of_one_match_share_a_message(exchange: ExchangeProcess) -> None:
    # more than the first level of the book has, which takes leverage
    client(exchange).set_leverage(**LINEAR, symbol=BTC, buyLeverage="100", sellLeverage="100")
    with listening(exchange) as listener:
        answer = exchange.admin.trade([{"account": "canary", "symbol": BTC, "side": "Sell", "qty": "5"}])
        assert answer["executions"] > 1
        eventually(lambda: listener.received, what="the executions")
        assert [len(received.frame["data"]) for received in listener.received] == [answer["executions"]]


def test_a_refused_order_is_named_and_keeps_no_other_back(exchange: ExchangeProcess) -> None:
    order = {"account": "canary", "symbol": BTC, "side": "Buy", "qty": "0.001"}
    answer = exchange.admin.trade([order, {**order, "qty": "100"}, {**order, "qty": 0.001}])
    assert answer["executions"] == 2
    assert answer["orders"][1] is None
    assert [(row["index"], row["code"]) for row in answer["refused"]] == [(1, 110007)]


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        (None, "orders must be a list"),
        ([], "orders must be a list of 1 to"),
        (["buy"], "orders[0] must be an object"),
        ([{"account": "nobody", "symbol": BTC}], "orders[0]: there is no account of this name"),
        ([{"account": "canary", "symbol": "NOPE"}], "orders[0]: params error: symbol invalid"),
        ([{"account": "canary", "symbol": BTC, "side": "Up", "qty": "1"}], "orders[0]: params error: side invalid"),
        ([{"account": "canary", "symbol": BTC, "side": "Buy", "qty": "x"}], "orders[0]: params error: qty invalid"),
    ],
)
def test_orders_that_cannot_be_read_do_nothing(exchange: ExchangeProcess, orders: Any, says: str) -> None:
    before = exchange.executions()
    headers = {"X-Admin-Token": exchange.admin.token}
    good = {"account": "canary", "symbol": BTC, "side": "Buy", "qty": "0.001"}
    body = {"orders": orders if not orders else [*orders, good]}
    answer = requests.post(f"{exchange.admin.url}/admin/trade", json=body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert exchange.executions() == before


@pytest.mark.slow
def test_killed_and_started_again_its_orders_are_still_there_and_are_not_done_twice(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, state=True, speed=100_000) as exchange:
        exchange.admin.run(1)
        exchange.admin.trade(_orders(120, "kept"))
        exchange.admin.run(1)
        before, journal = exchange.admin.state(), exchange.executions()
        exchange.kill()
        exchange.start()
        # the sockets and clocks of the process are new, what the engine holds is not
        assert exchange.admin.state()["accounts"] == before["accounts"]
        assert exchange.executions() == journal
        again = exchange.admin.trade(_orders(120, "kept"))
        assert {row["code"] for row in again["refused"]} == {110072}
        assert exchange.executions() == journal


def _heard_all(listener: Listener, executions: list[str]) -> None:
    eventually(lambda: listener.exec_ids() == executions, what="every execution, in order")
    eventually(lambda: len(listener.rows("wallet")) == 150, what="a wallet for each order")
    assert [row["orderStatus"] for row in listener.rows("order")] == ["Filled"] * 150


def _orders(count: int, name: str | None = None) -> list[dict[str, Any]]:
    """Alternating between two accounts; each buys and sells in turn, so that nobody runs out of margin."""
    return [
        {
            "account": ("canary", "shortseller")[number % 2],
            "symbol": SYMBOLS[number % 3],
            "side": ("Buy", "Sell")[number // 6 % 2],
            "qty": ("0.001", "0.01", "0.1")[number % 3],
            **({"order_link_id": f"{name}-{number}"} if name else {}),
        }
        for number in range(count)
    ]
