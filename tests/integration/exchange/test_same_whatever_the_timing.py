"""The same seed and the same requests within a bar give the same fills and ids, in whatever order they arrive; and what
was answered is there after kill -9."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pybit.exceptions import FailedRequestError, InvalidRequestError

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, client
from tests.support import eventually

ACCOUNTS = ("shortseller", "canary")
BARS, ORDERS = 3, 12


def _script(seed: int) -> list[list[tuple[str, dict[str, Any]]]]:
    """Orders for each bar: (account, order)."""
    draw = random.Random(seed)
    return [
        [
            (
                draw.choice(ACCOUNTS),
                {
                    "symbol": draw.choice((BTC, "ETHUSDT")),
                    "side": draw.choice(("Buy", "Sell")),
                    "orderType": "Market",
                    "qty": draw.choice(("0.01", "0.02", "0.05")),
                    "orderLinkId": f"bar{bar}-{number}",
                },
            )
            for number in range(ORDERS)
        ]
        for bar in range(BARS)
    ]


def _played(folder: Path, *, shuffle: int, match: str) -> list[dict[str, Any]]:
    """The executions of the script, its requests sent in a drawn order, at drawn instants, over four connections."""
    draw = random.Random(shuffle)
    options = ["--match", match]
    with (
        ExchangeProcess(folder, symbols=(BTC, "ETHUSDT"), speed=100_000, seed=5, options=options) as exchange,
        ThreadPoolExecutor(4) as threads,
    ):
        https = {name: client(exchange, name) for name in ACCOUNTS}
        exchange.admin.run(1)

        def send(account: str, order: dict[str, Any], after_s: float) -> None:
            threading.Event().wait(after_s)
            https[account].place_order(**LINEAR, **order)

        for orders in _script(seed=9):
            mixed = draw.sample(orders, len(orders))
            sent = [threads.submit(send, account, order, draw.uniform(0, 0.02)) for account, order in mixed]
            for future in sent:
                future.result()
            exchange.admin.run(1)
        return exchange.executions()


def test_orders_that_wait_for_the_open_do_not_depend_on_when_they_came(tmp_path: Path) -> None:
    first, second = (_played(tmp_path / str(shuffle), shuffle=shuffle, match="at-open") for shuffle in (1, 2))
    assert len(first) >= BARS * ORDERS
    assert first == second


def test_orders_that_match_at_once_get_the_same_prices_and_ids(tmp_path: Path) -> None:
    # the order of the journal and the running numbers are those of arrival, everything else is not
    def content(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in ("exec_id", "order_id", "price", "quantity", "side", "exec_time", "fee")}

    played = (_played(tmp_path / str(shuffle), shuffle=shuffle, match="at-once") for shuffle in (1, 2))
    first, second = (sorted((content(row) for row in rows), key=lambda row: row["exec_id"]) for rows in played)
    assert len(first) >= BARS * ORDERS
    assert first == second


@pytest.mark.parametrize("match", ["at-open", "at-once"])
def test_killed_in_the_middle_of_trading_it_has_lost_nothing_it_answered(tmp_path: Path, match: str) -> None:
    options = ["--match", match]
    exchange = ExchangeProcess(
        tmp_path, symbols=(BTC,), state=True, speed=60_000, paused=False, lockstep="off", options=options
    )
    answered: dict[str, str] = {}
    killed = threading.Event()

    def trade(name: str) -> None:
        http = client(exchange, name)
        for number in range(10_000):
            order = {"symbol": BTC, "side": ("Buy", "Sell")[number % 2], "orderType": "Market", "qty": "0.001"}
            try:
                row = http.place_order(**LINEAR, **order, orderLinkId=f"{name}-{number}")["result"]
            except (OSError, FailedRequestError, InvalidRequestError):
                if killed.is_set():
                    return
                raise
            answered[row["orderLinkId"]] = row["orderId"]

    with exchange:
        traders = [threading.Thread(target=trade, args=(name,)) for name in ACCOUNTS]
        for trader in traders:
            trader.start()
        eventually(lambda: len(answered) >= 60, within_s=30, what="sixty orders")
        # when
        killed.set()
        exchange.kill()
        for trader in traders:
            trader.join(timeout=30)
        journal = exchange.executions_that_are_whole()
        exchange.start()
        exchange.admin.pause()
        # then what the journal said is still so, and every order that was answered is there under its id
        assert exchange.executions()[: len(journal)] == journal
        exchange.admin.run(1)
        for name in ACCOUNTS:
            http = client(exchange, name)
            mine = {link_id: order_id for link_id, order_id in answered.items() if link_id.startswith(f"{name}-")}
            assert mine
            for link_id, order_id in mine.items():
                (row,) = http.get_open_orders(**LINEAR, symbol=BTC, orderLinkId=link_id)["result"]["list"]
                assert (row["orderId"], row["orderStatus"]) == (order_id, "Filled")
        # and the list of executions is the journal
        listed = {row["execId"] for name in ACCOUNTS for row in _all_executions(client(exchange, name))}
        assert listed == {row["exec_id"] for row in exchange.executions() if row["exec_type"] == "Trade"}


def _all_executions(http: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = http.get_executions(**LINEAR, execType="Trade", limit=100, **more)["result"]
        rows += page["list"]
        cursor = page["nextPageCursor"]
        if not cursor:
            return rows
