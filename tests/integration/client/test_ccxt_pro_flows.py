"""What a trader watches with ccxt.pro, as it is published: each flow until it is filled and flat.

What was watched is what the engine did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_process import ExchangeProcess
from tests.integration.client.real_clients import MARKET, Truth, ccxt_pro_client, exact

NAMES = [f"trader_{number}" for number in range(6)]
WITHIN_S = 20


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One market for the module; every test has an account of its own."""
    folder = tmp_path_factory.mktemp("exchange")
    with ExchangeProcess(folder, accounts=NAMES, speed=1_000_000, lockstep="off") as process:
        yield process


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return iter(NAMES)


@pytest.fixture
def account(names: Iterator[str]) -> str:
    return next(names)


@pytest.fixture
def truth(exchange: ExchangeProcess, account: str) -> Truth:
    return Truth(exchange, account)


class Watched:
    """What one `watch_` method of a client gives, call after call, until the test ends.

    What arrives while nobody awaits the method is given by no call; the client has it in its cache all the same.
    """

    def __init__(self, watch: Callable[[], Awaitable[Any]], cache: Callable[[], Any] = lambda: None) -> None:
        self.given: list[Any] = []
        self._cache = cache
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(watch))

    async def until(self, done: Callable[[list[Any]], Any]) -> Any:
        """Waits until `done` of what was given is true, and gives that.

        Raises TimeoutError, or what the client raised.
        """
        async with asyncio.timeout(WITHIN_S):
            while not (found := done(self.given + ([list(kept)] if (kept := self._cache()) else []))):
                if self._task.done():
                    self._task.result()
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.1)
        return found

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, watch: Callable[[], Awaitable[Any]]) -> None:
        try:
            while True:
                self.given.append(await watch())
                self._changed.set()
        finally:
            self._changed.set()


async def subscribed(exchange: ExchangeProcess, account: str, *topics: str) -> None:
    """Waits until the private socket of the account listens to these topics."""

    def topics_now() -> set[str]:
        sockets = exchange.admin.state()["accounts"][account]["sockets"]
        return {topic for socket in sockets for topic in socket}

    async with asyncio.timeout(WITHIN_S):
        while not set(topics) <= await asyncio.to_thread(topics_now):
            await asyncio.sleep(0.02)


async def run_bars(exchange: ExchangeProcess, bars: int = 1) -> None:
    await asyncio.to_thread(exchange.admin.run, bars)


async def test_a_round_trip_as_it_is_watched(exchange: ExchangeProcess, account: str, truth: Truth) -> None:
    async with ccxt_pro_client(exchange, account) as client:
        await client.load_markets()
        orders = Watched(lambda: client.watch_orders(MARKET), lambda: client.orders)
        trades = Watched(lambda: client.watch_my_trades(MARKET), lambda: client.myTrades)
        balances = Watched(client.watch_balance)
        positions = Watched(lambda: client.watch_positions([MARKET]), lambda: client.positions)
        await subscribed(exchange, account, "order", "execution", "wallet", "position")
        # when a long is opened and closed again
        opened = await client.create_order(MARKET, "market", "buy", 0.03)
        await run_bars(exchange)
        held = await positions.until(lambda given: [row for rows in given for row in rows if row["contracts"]])
        assert (held[-1]["side"], exact(held[-1]["contracts"])) == ("long", truth.position())
        closed = await client.create_order(MARKET, "market", "sell", 0.03, None, {"reduceOnly": True})
        await run_bars(exchange)

        # then what was watched is what was done
        def all_trades(given: list[Any]) -> list[Any] | None:
            seen = {trade["id"]: trade for rows in given for trade in rows}
            return list(seen.values()) if len(seen) == len(truth.fills()) else None

        seen = await trades.until(all_trades)
        assert [trade["id"] for trade in seen] == [line["exec_id"] for line in truth.fills()]
        assert sum(exact(trade["fee"]["cost"]) for trade in seen) == truth.fees()

        def both_closed(given: list[Any]) -> bool:
            last = {row["id"]: row["status"] for rows in given for row in rows}
            return last.get(opened["id"]) == last.get(closed["id"]) == "closed"

        await orders.until(both_closed)
        await positions.until(lambda given: given[-1][-1]["contracts"] == 0)
        await balances.until(lambda given: exact(given[-1]["USDT"]["total"]) == truth.flat_balance())
        assert exact((await client.fetch_balance())["USDT"]["total"]) == truth.balance()
        for watched in (orders, trades, balances, positions):
            await watched.end()


async def test_a_resting_order_as_it_is_watched(exchange: ExchangeProcess, account: str, truth: Truth) -> None:
    async with ccxt_pro_client(exchange, account) as client:
        await client.load_markets()
        orders = Watched(lambda: client.watch_orders(MARKET), lambda: client.orders)
        await subscribed(exchange, account, "order")
        price = float(client.price_to_precision(MARKET, (await client.fetch_ticker(MARKET))["last"] * 0.9))
        placed = await client.create_order(MARKET, "limit", "buy", 0.01, price)
        await orders.until(lambda given: given and given[-1][-1]["status"] == "open")
        await client.edit_order(placed["id"], MARKET, "limit", "buy", 0.02, price)
        await orders.until(lambda given: given[-1][-1]["amount"] == 0.02)
        await client.cancel_order(placed["id"], MARKET)
        await run_bars(exchange)
        last = await orders.until(lambda given: [row for row in given[-1] if row["status"] == "canceled"])
        assert last[0]["id"] == placed["id"]
        assert not truth.fills()
        await orders.end()


async def test_orders_over_the_trade_socket(exchange: ExchangeProcess, account: str, truth: Truth) -> None:
    async with ccxt_pro_client(exchange, account) as client:
        await client.load_markets()
        price = float(client.price_to_precision(MARKET, (await client.fetch_ticker(MARKET))["last"] * 0.9))
        resting = await client.create_order_ws(MARKET, "limit", "buy", 0.01, price)
        await client.edit_order_ws(resting["id"], MARKET, "limit", "buy", 0.02, price)
        await client.cancel_order_ws(resting["id"], MARKET)
        await client.create_order_ws(MARKET, "market", "buy", 0.01)
        await run_bars(exchange)
        assert truth.position() == Decimal("0.01")
        await client.create_order_ws(MARKET, "market", "sell", 0.01, None, {"reduceOnly": True})
        await run_bars(exchange)
        assert (await client.fetch_position(MARKET))["contracts"] == 0
        assert exact((await client.fetch_balance())["USDT"]["total"]) == truth.flat_balance()


async def test_the_market_as_it_is_watched(exchange: ExchangeProcess, account: str) -> None:
    async with ccxt_pro_client(exchange, account) as client:
        await client.load_markets()
        trades = Watched(lambda: client.watch_trades(MARKET))
        books = Watched(lambda: client.watch_order_book(MARKET, 50))
        tickers = Watched(lambda: client.watch_ticker(MARKET))
        candles = Watched(lambda: client.watch_ohlcv(MARKET, "5m"))
        await books.until(lambda given: given)
        await tickers.until(lambda given: given)
        await candles.until(lambda given: given)
        # Trades have no first message that would say that they are subscribed to.
        while not trades.given:
            await run_bars(exchange)
        last = await client.fetch_ticker(MARKET)
        await tickers.until(lambda given: given[-1]["last"] == last["last"])
        await candles.until(lambda given: given[-1][-1][4] == last["last"])
        book = await client.fetch_order_book(MARKET, 50)
        await books.until(lambda given: given[-1]["bids"] == book["bids"] and given[-1]["asks"] == book["asks"])
        assert book["bids"][0][0] < book["asks"][0][0]
        for watched in (books, trades, tickers, candles):
            await watched.end()
