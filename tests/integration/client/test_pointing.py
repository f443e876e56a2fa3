"""What `alpha paper-exchange --help` says about pointing clients at it is run as it stands, on a market at rest.

Orders meet the book when they are sent, as clients know it from Bybit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from paper_exchange.pointing import CCXT, PYBIT
from tests.exchange_process import ExchangeProcess
from tests.integration.client.real_clients import MARKET, SYMBOL, Truth, exact
from tests.integration.exchange.clients import Heard
from tests.support import eventually


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), options=["--match", "at-once"]) as process:
        yield process


def run(text: str, exchange: ExchangeProcess) -> dict[str, Any]:
    """The names that the text leaves."""
    keys = exchange.accounts["canary"]
    names: dict[str, Any] = {"URL": exchange.rest_url, "KEY": keys.api_key, "SECRET": keys.api_secret}
    exec(text, names)
    return names


def test_pybit_and_ccxt(exchange: ExchangeProcess) -> None:
    """pybit opens a position, ccxt closes it."""
    names = run(PYBIT, exchange)
    sockets = [names[name] for name in ("private", "public", "trade")]
    try:
        heard, answered = Heard(), Heard()
        names["private"].order_stream(heard)
        names["public"].kline_stream(5, SYMBOL, heard)
        eventually(lambda: heard.rows("kline"), what="a candle")
        eventually(lambda: ["order"] in exchange.admin.state()["accounts"]["canary"]["sockets"])
        # pybit sends first and keeps the callback then: an answer in between would be dropped as nobody's.
        with exchange.frozen():
            names["trade"].place_order(
                answered, category="linear", symbol=SYMBOL, side="Buy", orderType="Market", qty="0.001"
            )
        eventually(answered.frames, what="an answer to the order")
        eventually(lambda: [row for row in heard.rows("order") if row["orderStatus"] == "Filled"], what="the fill")
        (held,) = names["http"].get_positions(category="linear", symbol=SYMBOL)["result"]["list"]
        assert held["size"] == "0.001"
    finally:
        for socket in sockets:
            socket.exit()
    client = run(CCXT, exchange)["exchange"]
    assert MARKET in client.load_markets()
    client.create_order(MARKET, "market", "sell", 0.001, None, {"reduceOnly": True})
    assert client.fetch_position(MARKET)["contracts"] == 0
    balance = Truth(exchange, "canary").flat_balance()
    assert exact(client.fetch_balance()["USDT"]["total"]) == balance
    client.session.close()
