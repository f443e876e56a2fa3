"""Orders over a WebSocket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, client
from tests.integration.exchange.raw_rest import RawRest
from tests.integration.exchange.raw_socket import raw_socket

PATH = "/v5/trade"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("trade-socket")
    with ExchangeProcess(folder, speed=100_000, options=["--match", "at-once"]) as process:
        process.admin.run(1)
        yield process


def request(operation: str, arguments: object, req_id: str, **header: str) -> dict[str, Any]:
    headers = {"X-BAPI-TIMESTAMP": str(int(time.time() * 1000)), **header}
    return {"reqId": req_id, "header": headers, "op": operation, "args": [arguments]}


def market_order(link_id: str, **more: Any) -> dict[str, Any]:
    order = {"category": "linear", "symbol": BTC, "side": "Buy", "orderType": "Market", "qty": "0.001"}
    return {**order, "orderLinkId": link_id, **more}


async def test_an_order_is_answered_with_its_ids_and_filled(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange, PATH) as socket:
        opened = await socket.authenticate(exchange, "canary")
        assert (opened["retCode"], opened["retMsg"], opened["op"]) == (0, "OK", "auth")
        answer = await socket.ask(request("order.create", market_order("by-socket"), "1"))
        assert (answer["retCode"], answer["op"], answer["reqId"]) == (0, "order.create", "1")
        assert answer["data"]["orderLinkId"] == "by-socket"
    listed = client(exchange).get_executions(category="linear", orderLinkId="by-socket")["result"]["list"]
    assert {row["orderId"] for row in listed} == {answer["data"]["orderId"]}


async def test_amend_cancel_and_batches_are_the_rest_routes(exchange: ExchangeProcess) -> None:
    price = float(client(exchange).get_tickers(category="linear", symbol=BTC)["result"]["list"][0]["lastPrice"])
    resting = {"orderType": "Limit", "price": f"{price * 0.98:.0f}"}
    async with raw_socket(exchange, PATH) as socket:
        await socket.authenticate(exchange, "canary")
        batch = {"category": "linear", "request": [market_order(f"b{n}", **resting) for n in range(2)]}
        placed = await socket.ask(request("order.create-batch", batch, "batch"))
        assert [row["orderLinkId"] for row in placed["data"]["list"]] == ["b0", "b1"]
        assert [row["code"] for row in placed["retExtInfo"]["list"]] == [0, 0]
        of_first = {"category": "linear", "symbol": BTC, "orderLinkId": "b0"}
        assert (await socket.ask(request("order.amend", {**of_first, "qty": "0.002"}, "a")))["retCode"] == 0
        assert (await socket.ask(request("order.cancel", of_first, "c")))["retCode"] == 0
        assert (await socket.ask(request("order.cancel", of_first, "d")))["retCode"] == 110001


@pytest.mark.parametrize(
    ("operation", "arguments", "header", "code"),
    [
        ("order.fly", {}, {}, 10404),
        ("order.create", [], {}, 10001),
        ("order.create", {"category": "linear"}, {}, 10001),
        ("order.create", market_order("late"), {"X-BAPI-TIMESTAMP": "1700000000000"}, 10002),
        ("order.create", market_order("when"), {"X-BAPI-TIMESTAMP": "now"}, 10001),
        ("order.create", market_order("x" * 50), {}, 10001),
    ],
)
async def test_what_cannot_be_done_is_refused(
    exchange: ExchangeProcess, operation: str, arguments: object, header: dict[str, str], code: int
) -> None:
    async with raw_socket(exchange, PATH) as socket:
        await socket.authenticate(exchange, "canary")
        answer = await socket.ask(request(operation, arguments, "1", **header))
        assert (answer["retCode"], answer["op"]) == (code, operation)


async def test_limits_are_those_of_rest_and_shared_with_it(tmp_path: Path) -> None:
    options = ["--rate-limits", "on"]
    with ExchangeProcess(tmp_path, options=options) as limited, closing(RawRest(limited)) as http:
        async with raw_socket(limited, PATH) as socket:
            await socket.authenticate(limited, "canary")
            nowhere = {"category": "linear", "symbol": BTC, "orderLinkId": "nowhere"}
            spared = await socket.ask(request("order.amend", nowhere, "other"))
            for number in range(11):
                await socket.connection.send(json.dumps(request("order.cancel", nowhere, f"c{number}")))
            answers = [await socket.next() for _ in range(11)]
            assert [answer["retCode"] for answer in answers] == [110001] * 10 + [10006]
            refused = answers[-1]
            assert (refused["retMsg"], refused["data"], refused["op"]) == ("Too many visits!", {}, "order.cancel")
            header = refused["header"]
            assert (header["X-Bapi-Limit"], header["X-Bapi-Limit-Status"]) == ("10", "0")
            assert int(header["X-Bapi-Limit-Reset-Timestamp"]) > int(header["Timenow"])
            assert answers[0]["header"]["X-Bapi-Limit-Status"] == spared["header"]["X-Bapi-Limit-Status"] == "9"
            assert http.post("/v5/order/cancel", nowhere).code == 10006
            # of a batch as many pass as are left
            batch = {"category": "linear", "request": [market_order(f"b{number}") for number in range(12)]}
            placed = await socket.ask(request("order.create-batch", batch, "batch"))
            assert [row["code"] for row in placed["retExtInfo"]["list"]] == [0] * 10 + [10006] * 2


async def test_a_request_id_is_good_for_one_request(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange, PATH) as socket:
        unknown = await socket.ask(request("order.create", market_order("too-early"), "1"))
        assert unknown["retCode"] == 10005
        await socket.authenticate(exchange, "canary")
        assert (await socket.authenticate(exchange, "canary"))["retCode"] == 20001
        assert (await socket.ask(request("order.create", market_order("once"), "same")))["retCode"] == 0
        assert (await socket.ask(request("order.create", market_order("twice"), "same")))["retCode"] == 20006
        assert (await socket.ask({"op": "ping"}))["op"] == "pong"
