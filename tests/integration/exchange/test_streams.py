from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from paper_exchange.server.signature import sign
from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, Heard, buy, client, private_socket, public_socket, sell
from tests.support import eventually


def test_pybit_hears_orders_executions_positions_and_wallet(exchange: ExchangeProcess) -> None:
    # given
    http, heard = client(exchange), Heard()
    with private_socket(exchange) as socket:
        socket.execution_stream(callback=heard)
        socket.order_stream(callback=heard)
        socket.position_stream(callback=heard)
        socket.wallet_stream(callback=heard)
        _listening(exchange, ["execution", "order", "position", "wallet"])
        # when
        placed = buy(http, "0.010", orderLinkId="stream-1")
        eventually(lambda: [row for row in heard.rows("order") if row["orderStatus"] == "New"], what="the new order")
        exchange.admin.run(1)
        # then
        eventually(lambda: heard.rows("wallet"), what="the wallet after the fill")
        execution = heard.rows("execution")[-1]
        assert (execution["orderId"], execution["orderLinkId"], execution["execQty"], execution["execType"]) == (
            placed["orderId"],
            "stream-1",
            "0.01",
            "Trade",
        )
        assert execution["category"] == "linear"
        assert heard.rows("order")[-1]["orderStatus"] == "Filled"
        position = heard.rows("position")[-1]
        assert (position["side"], position["size"], position["entryPrice"]) == ("Buy", "0.01", execution["execPrice"])
        assert heard.rows("wallet")[-1]["accountType"] == "UNIFIED"
        assert [row["exec_id"] for row in exchange.executions()][-1] == execution["execId"]
        frame = next(frame for frame in heard.frames() if frame["topic"] == "execution")
        assert abs(frame["creationTime"] - time.time() * 1000) < 60_000
        sell(http, "0.010", reduceOnly=True)
        exchange.admin.run(1)
        eventually(lambda: heard.rows("position")[-1]["side"] == "", what="the flat position")


def test_the_rows_of_stream_and_list_agree(exchange: ExchangeProcess) -> None:
    http, heard = client(exchange), Heard()
    with private_socket(exchange) as socket:
        socket.execution_stream(callback=heard)
        _listening(exchange, ["execution"])
        buy(http, "0.003", orderLinkId="agree-1")
        exchange.admin.run(1)
        streamed = eventually(lambda: heard.rows("execution"), what="the execution")[-1]
    listed = http.get_executions(category="linear", orderLinkId="agree-1")["result"]["list"][0]
    same = set(streamed) & set(listed) - {"feeCurrency", "extraFees"}
    assert {name: streamed[name] for name in same} == {name: listed[name] for name in same}
    assert set(streamed) - set(listed) == {"category", "isLeverage", "execPnl"}
    sell(http, "0.003", reduceOnly=True)
    exchange.admin.run(1)


def test_a_dropped_socket_comes_back_and_nothing_is_replayed(exchange: ExchangeProcess) -> None:
    http, heard = client(exchange), Heard()
    with private_socket(exchange, retries=0) as socket:
        socket.execution_stream(callback=heard)
        _listening(exchange, ["execution"])
        # when its socket is cut and an order is filled before it is back
        buy(http, "0.001", orderLinkId="missed")
        assert exchange.admin.drop_sockets("canary") == 1
        exchange.admin.run(1)
        _listening(exchange, ["execution"])
        sell(http, "0.001", reduceOnly=True, orderLinkId="heard")
        exchange.admin.run(1)
        # then only what came after is heard
        eventually(lambda: heard.rows("execution"), what="the execution after the reconnect")
    assert {row["orderLinkId"] for row in heard.rows("execution")} == {"heard"}


def test_pybit_hears_closed_klines_and_tickers(exchange: ExchangeProcess) -> None:
    klines, tickers = Heard(), Heard()
    with public_socket(exchange) as socket:
        socket.kline_stream(interval=5, symbol=BTC, callback=klines)
        socket.kline_stream(interval=60, symbol=BTC, callback=klines)
        socket.ticker_stream(symbol=BTC, callback=tickers)
        eventually(lambda: tickers.rows("tickers"), what="the ticker's snapshot")
        opened = eventually(lambda: klines.rows("kline.5"), what="the open candle")[-1]
        assert opened["confirm"] is False
        exchange.admin.run(12)
        closed = eventually(
            lambda: rows if len(rows := _closed(klines, "kline.5")) >= 12 else None, what="twelve closed bars"
        )
        assert [row["start"] for row in closed[:12]] == [opened["start"] + 300_000 * number for number in range(12)]
        assert all(row["end"] == row["start"] + 299_999 for row in closed)
        hours = eventually(lambda: _closed(klines, "kline.60"), what="the closed hour")
        assert len(hours) == 1
        last = client(exchange).get_kline(category="linear", symbol=BTC, interval="5", limit=2)["result"]["list"][1]
        assert [str(closed[-1]["start"]), closed[-1]["close"], closed[-1]["volume"]] == [last[0], last[4], last[5]]
        eventually(lambda: tickers.rows("tickers")[-1]["lastPrice"] == last[4], what="the ticker of the last bar")


async def test_nothing_is_told_before_authentication(exchange: ExchangeProcess) -> None:
    async with _connected(exchange) as socket:
        answer = await _ask(socket, {"op": "subscribe", "req_id": "1", "args": ["execution"]})
        assert (answer["success"], answer["req_id"]) == (False, "1")


@pytest.mark.parametrize("expires_in_ms", [-1, None])
async def test_a_bad_authentication_is_refused_with_bybits_words(
    exchange: ExchangeProcess, expires_in_ms: int | None
) -> None:
    account = exchange.accounts["canary"]
    expires = int(time.time() * 1000) + (1000 if expires_in_ms is None else expires_in_ms)
    signature = "0" * 64 if expires_in_ms is None else sign(account.api_secret, f"GET/realtime{expires}")
    async with _connected(exchange) as socket:
        answer = await _ask(socket, {"op": "auth", "args": [account.api_key, expires, signature]})
        assert (answer["success"], answer["ret_msg"], answer["op"]) == (False, "Params Error", "auth")


async def test_categorised_topics_numeric_ids_and_both_pings_work(exchange: ExchangeProcess) -> None:
    async with _authenticated(exchange) as socket:
        sent = time.monotonic()
        answer = await _ask(socket, {"op": "subscribe", "req_id": 7, "args": ["execution.linear", "wallet"]})
        assert time.monotonic() - sent >= 0.02
        assert (answer["success"], answer["req_id"]) == (True, "7")
        assert (await _ask(socket, {"op": "ping", "req_id": "p"}))["op"] == "pong"
        await (await socket.ping())
        http = client(exchange)
        buy(http, "0.001", orderLinkId="categorised")
        exchange.admin.run(1)
        frames = [json.loads(await socket.recv()) for _ in range(2)]
        assert [frame["topic"] for frame in frames] == ["execution.linear", "wallet"]
        sell(http, "0.001", reduceOnly=True)
        exchange.admin.run(1)


@pytest.mark.parametrize(
    "topics", [["nothing"], [], ["execution", "order.linear"], ["execution", "publicTrade.BTCUSDT"]]
)
async def test_topics_that_are_none_refuse_the_whole_request(exchange: ExchangeProcess, topics: list[str]) -> None:
    async with _authenticated(exchange) as socket:
        answer = await _ask(socket, {"op": "subscribe", "req_id": "t", "args": topics})
        assert (answer["success"], answer["req_id"]) == (False, "t")


@pytest.mark.parametrize("frame", ["{", "[]", "null", '{"op": 5}', '{"op": "subscribe", "args": 3}', "\\u0000", "{}"])
@pytest.mark.parametrize("path", ["/v5/private", "/v5/public/linear"])
async def test_a_malformed_frame_is_answered_and_the_socket_lives(
    exchange: ExchangeProcess, path: str, frame: str
) -> None:
    async with _connected(exchange, path) as socket:
        await socket.send(frame)
        assert json.loads(await socket.recv())["success"] is False
        assert (await _ask(socket, {"op": "ping"}))["op"] in ("pong", "ping")


async def test_an_unsubscribed_topic_is_not_sent_any_more(exchange: ExchangeProcess) -> None:
    async with _connected(exchange, "/v5/public/linear") as socket:
        topic = f"kline.5.{BTC}"
        assert (await _ask(socket, {"op": "subscribe", "req_id": "1", "args": [topic]}))["success"] is True
        assert json.loads(await socket.recv())["topic"] == topic
        exchange.admin.run(1)
        assert json.loads(await socket.recv())["data"][0]["confirm"] is True
        assert (await _ask(socket, {"op": "unsubscribe", "req_id": "1", "args": [topic]}))["success"] is True
        exchange.admin.run(1)
        assert (await _ask(socket, {"op": "ping", "req_id": "z"}))["ret_msg"] == "pong"


def _listening(exchange: ExchangeProcess, topics: list[str]) -> None:
    """Waits until the one socket of the account has these topics: pybit does not wait for acknowledgements."""

    def listens() -> bool:
        sockets: list[list[str]] = exchange.admin.state()["accounts"]["canary"]["sockets"]
        return sockets == [topics]

    eventually(listens, what=f"a socket that listens to {topics}")


def _closed(heard: Heard, topic: str) -> list[dict[str, Any]]:
    return [row for row in heard.rows(f"{topic}.") if row["confirm"]]


@asynccontextmanager
async def _connected(exchange: ExchangeProcess, path: str = "/v5/private") -> AsyncIterator[ClientConnection]:
    url = exchange.rest_url.replace("http", "ws", 1) + path
    async with connect(url, proxy=None, compression=None) as socket:
        yield socket


@asynccontextmanager
async def _authenticated(exchange: ExchangeProcess) -> AsyncIterator[ClientConnection]:
    account = exchange.accounts["canary"]
    expires = int(time.time() * 1000) + 10_000
    async with _connected(exchange) as socket:
        # As one client does it: the time as text.
        arguments = [account.api_key, str(expires), sign(account.api_secret, f"GET/realtime{expires}")]
        answer = await _ask(socket, {"op": "auth", "args": arguments})
        assert answer["success"] is True
        yield socket


async def _ask(socket: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(request))
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer
