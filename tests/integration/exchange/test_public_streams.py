"""Books, trades and tickers as everybody hears them, and that they say what REST says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, Heard, buy, client, public_socket
from tests.integration.exchange.raw_socket import RawSocket, raw_socket
from tests.support import eventually

DEEP = f"orderbook.50.{BTC}"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """Orders meet the book when they are sent."""
    folder = tmp_path_factory.mktemp("at-once")
    with ExchangeProcess(folder, symbols=(BTC, "ETHUSDT"), speed=100_000, options=["--match", "at-once"]) as process:
        process.admin.run(2)
        yield process


def book_of(exchange: ExchangeProcess, depth: int = 50) -> dict[str, list[list[str]]]:
    book = client(exchange).get_orderbook(**LINEAR, symbol=BTC, limit=depth)["result"]
    return {"b": book["b"], "a": book["a"]}


class KeptBook:
    """A book as a client keeps it, by Bybit's rules."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.updates: list[int] = []

    def take(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        self.updates.append(data["u"])
        for side, kept in self.sides.items():
            if frame["type"] == "snapshot":
                kept.clear()
            for price, size in data[side]:
                if size == "0":
                    del kept[price]
                else:
                    kept[price] = size

    def as_rest(self) -> dict[str, list[list[str]]]:
        bids = sorted(self.sides["b"].items(), key=lambda level: -Decimal(level[0]))
        asks = sorted(self.sides["a"].items(), key=lambda level: Decimal(level[0]))
        return {"b": [[*level] for level in bids], "a": [[*level] for level in asks]}


async def test_no_request_waits_for_the_acknowledgement_of_another(exchange: ExchangeProcess) -> None:
    topics = [DEEP, f"tickers.{BTC}"]
    async with raw_socket(exchange) as socket:
        for number in range(1_000):
            op = ("subscribe", "unsubscribe")[number % 2]
            await socket.connection.send(json.dumps({"op": op, "req_id": str(number), "args": topics}))
        await socket.connection.send(json.dumps({"op": "ping", "req_id": "ping"}))
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1].get("req_id") != "999":
            frames.append(await socket.next())
    answers = [frame["req_id"] for frame in frames if "topic" not in frame]
    # the ping overtakes acknowledgements, which keep their order among themselves
    assert answers.index("ping") < len(answers) - 1
    answers.remove("ping")
    assert answers == [str(number) for number in range(1_000)]
    # and each subscription is followed by its snapshots
    assert all(frame["success"] for frame in frames if "topic" not in frame)
    for number, frame in enumerate(frames):
        if frame.get("op") == "subscribe":
            following = [f["topic"] for f in frames[number + 1 : number + 4] if "topic" in f]
            assert following[:2] == topics


async def test_snapshot_and_deltas_make_the_book_that_rest_shows(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(DEEP)
        book, first = KeptBook(), await socket.next()
        assert (first["type"], first["topic"]) == ("snapshot", DEEP)
        book.take(first)
        assert book.as_rest() == book_of(exchange)
        for _ in range(5):
            exchange.admin.run(1)
            frame = await socket.next()
            assert frame["type"] == "delta"
            book.take(frame)
            assert book.as_rest() == book_of(exchange)
    assert book.updates == list(range(book.updates[0], book.updates[0] + 6))


async def test_an_own_order_stands_in_the_book_until_it_is_cancelled(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    async with raw_socket(exchange) as socket:
        await socket.subscribe(DEEP)
        best = Decimal((await socket.next())["data"]["b"][0][0])
        # when
        price = f"{best * Decimal('0.99'):.0f}"
        placed = http.place_order(
            **LINEAR, symbol=BTC, side="Buy", orderType="Limit", qty="0.777", price=price, orderLinkId="in-the-book"
        )["result"]
        # then
        assert (await socket.next())["data"]["b"] == [[price, "0.777"]]
        http.cancel_order(**LINEAR, symbol=BTC, orderId=placed["orderId"])
        assert (await socket.next())["data"]["b"] == [[price, "0"]]


async def test_the_top_of_the_book_comes_whole_and_again_when_nothing_changes(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"orderbook.1.{BTC}")
        first = await socket.next()
        exchange.admin.run(1)
        changed = await socket.next()
        assert [frame["type"] for frame in (first, changed)] == ["snapshot", "snapshot"]
        assert changed["data"]["u"] == first["data"]["u"] + 1
        assert {"b": changed["data"]["b"], "a": changed["data"]["a"]} == book_of(exchange, depth=1)
        repeated = await socket.next()
        assert (repeated["data"]["u"], repeated["data"]["b"]) == (changed["data"]["u"], changed["data"]["b"])


def test_pybit_keeps_book_and_ticker(exchange: ExchangeProcess) -> None:
    books, tickers = Heard(), Heard()
    with public_socket(exchange) as socket:
        socket.orderbook_stream(depth=50, symbol=BTC, callback=books)
        socket.ticker_stream(symbol=BTC, callback=tickers)
        eventually(lambda: books.frames() and tickers.frames(), what="both snapshots")
        exchange.admin.run(3)
        shown = book_of(exchange)
        eventually(lambda: _sorted(books.frames()[-1]["data"]) == shown, what="pybit's book to be the exchange's")
        row = client(exchange).get_tickers(**LINEAR, symbol=BTC)["result"]["list"][0]
        eventually(lambda: tickers.rows("tickers")[-1]["lastPrice"] == row["lastPrice"], what="the last price")
        kept = tickers.rows("tickers")[-1]
        assert {name: kept[name] for name in row} == row
        assert [row["bid1Price"], row["bid1Size"]] == shown["b"][0]
        assert [row["ask1Price"], row["ask1Size"]] == shown["a"][0]


async def test_a_ticker_delta_holds_what_changed_only(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"tickers.{BTC}")
        first = await socket.next()
        exchange.admin.run(1)
        second = await socket.next()
    assert (first["type"], second["type"]) == ("snapshot", "delta")
    assert second["cs"] > first["cs"]
    changed = {name: value for name, value in second["data"].items() if name != "symbol"}
    assert changed
    assert all(first["data"][name] != value for name, value in changed.items())


async def test_a_fill_is_a_public_trade_under_the_same_id(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"publicTrade.{BTC}")
        placed = buy(client(exchange), "0.005", orderLinkId="seen-by-all")
        rows = (await socket.next())["data"]
        mine = [row for row in exchange.executions() if row["order_id"] == placed["orderId"]]
        assert [(row["i"], row["S"], row["v"], row["p"]) for row in rows] == [
            (row["exec_id"], "Buy", row["quantity"], row["price"]) for row in mine
        ]
        # and a bar that is recorded without its trades has one at each point of its path
        exchange.admin.run(1)
        trades = (await socket.next())["data"]
        bar = client(exchange).get_kline(**LINEAR, symbol=BTC, interval="5", limit=2)["result"]["list"][1]
        prices = [row["p"] for row in trades]
        assert sorted(prices, key=Decimal) == sorted(bar[1:5], key=Decimal)
        assert [prices[0], prices[-1]] == [bar[1], bar[4]]
        assert [row["T"] for row in trades] == sorted(row["T"] for row in trades)
        listed = client(exchange).get_public_trade_history(**LINEAR, symbol=BTC, limit=4)["result"]["list"]
        assert [row["execId"] for row in listed] == [row["i"] for row in reversed(trades)]


async def test_minutes_of_a_bar_come_in_one_frame(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"kline.1.{BTC}", f"kline.M.{BTC}")
        assert {(await socket.next())["topic"] for _ in range(2)} == {f"kline.1.{BTC}", f"kline.M.{BTC}"}
        exchange.admin.run(1)
        frames = {frame["topic"]: frame["data"] for frame in [await socket.next(), await socket.next()]}
        assert [row["confirm"] for row in frames[f"kline.1.{BTC}"]] == [True] * 5
        assert [row["confirm"] for row in frames[f"kline.M.{BTC}"]] == [False]


async def test_a_topic_twice_refuses_the_whole_request(exchange: ExchangeProcess) -> None:
    async with raw_socket(exchange) as socket:
        await socket.subscribe(f"kline.5.{BTC}")
        again = {"op": "subscribe", "req_id": "2", "args": [f"tickers.{BTC}", f"kline.5.{BTC}"]}
        answer = await socket.ask(again)
        assert (answer["success"], answer["ret_msg"]) == (False, f"error:already subscribed,topic:kline.5.{BTC}")
        await socket.ask({"op": "unsubscribe", "args": [f"kline.5.{BTC}"]})
        assert (await socket.ask(again))["success"] is True


async def test_a_socket_that_says_nothing_is_cut_and_one_that_pings_is_not(tmp_path: Any) -> None:
    with ExchangeProcess(tmp_path, options=["--idle-s", "1.5"]) as exchange:
        async with raw_socket(exchange) as silent, raw_socket(exchange) as lively:
            pinging = asyncio.create_task(_ping_for_ever(lively))
            with pytest.raises(ConnectionClosed):
                await silent.connection.recv()
            assert not pinging.done()
            pinging.cancel()


async def _ping_for_ever(socket: RawSocket) -> None:
    while True:
        await (await socket.connection.ping())
        await asyncio.sleep(0.05)


def _sorted(data: dict[str, Any]) -> dict[str, list[list[str]]]:
    bids = sorted(data["b"], key=lambda level: -Decimal(level[0]))
    return {"b": bids, "a": sorted(data["a"], key=lambda level: Decimal(level[0]))}


async def test_the_prices_of_a_bar_are_told_before_it_closes(exchange: ExchangeProcess) -> None:
    kline, ticker = f"kline.5.{BTC}", f"tickers.{BTC}"
    async with raw_socket(exchange) as socket:
        await socket.subscribe(kline, ticker, DEEP, f"publicTrade.{BTC}")
        await asyncio.to_thread(exchange.admin.run, 3)
        frames: list[dict[str, Any]] = []
        last: dict[str, str] = {}
        while sum(frame["topic"] == kline and frame["data"][0]["confirm"] for frame in frames) < 3:
            frames.append(await socket.next())
            if frames[-1]["topic"] == ticker:
                last |= frames[-1]["data"]
            elif frames[-1]["topic"] == kline and frames[-1]["data"][0]["confirm"]:
                assert last["lastPrice"] == frames[-1]["data"][0]["close"]
