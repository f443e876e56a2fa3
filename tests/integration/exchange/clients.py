"""Unmodified pybit, pointed at the exchange under test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket

from tests.exchange_process import ExchangeProcess
from tests.support import eventually

BTC = "BTCUSDT"
LINEAR = {"category": "linear"}


def client(exchange: ExchangeProcess, account: str = "canary", **options: Any) -> HTTP:
    keys = exchange.accounts[account]
    http = HTTP(api_key=keys.api_key, api_secret=keys.api_secret, **options)
    http.endpoint = exchange.rest_url
    return http


def refusal_of(call: Any, **query: Any) -> int:
    """The retCode of a call that must be refused."""
    try:
        answer = call(**query)
    except InvalidRequestError as error:
        return int(error.status_code)
    raise AssertionError(f"not refused: {answer}")


def buy(http: HTTP, quantity: str = "0.010", symbol: str = BTC, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = http.place_order(
        **LINEAR, symbol=symbol, side="Buy", orderType="Market", qty=quantity, **more
    )["result"]
    return result


def sell(http: HTTP, quantity: str = "0.010", symbol: str = BTC, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = http.place_order(
        **LINEAR, symbol=symbol, side="Sell", orderType="Market", qty=quantity, **more
    )["result"]
    return result


def last_price(http: HTTP, symbol: str = BTC) -> float:
    return float(http.get_tickers(**LINEAR, symbol=symbol)["result"]["list"][0]["lastPrice"])


class Heard:
    """Frames in the order in which they came, kept by the thread of a socket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: list[dict[str, Any]] = []

    def __call__(self, frame: dict[str, Any]) -> None:
        with self._lock:
            self._frames.append(frame)

    def rows(self, topic: str) -> list[dict[str, Any]]:
        """The rows of all frames of a topic, or of topics that begin so."""
        with self._lock:
            return [row for frame in self._frames if frame["topic"].startswith(topic) for row in _rows(frame)]

    def frames(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._frames)


def _rows(frame: dict[str, Any]) -> list[dict[str, Any]]:
    data = frame["data"]
    return data if isinstance(data, list) else [data]


@contextmanager
def private_socket(exchange: ExchangeProcess, account: str = "canary", **options: Any) -> Iterator[WebSocket]:
    keys = exchange.accounts[account]
    socket = _Local(
        exchange, testnet=False, channel_type="private", api_key=keys.api_key, api_secret=keys.api_secret, **options
    )
    try:
        eventually(lambda: socket.auth, what="the private stream to be authenticated")
        yield socket
    finally:
        socket.exit()


@contextmanager
def public_socket(exchange: ExchangeProcess) -> Iterator[WebSocket]:
    socket = _Local(exchange, testnet=False, channel_type="linear")
    try:
        yield socket
    finally:
        socket.exit()


class _Local(WebSocket):  # type: ignore[misc]
    """pybit's own stream; only the host of its address is replaced, as it cannot be given one."""

    def __init__(self, exchange: ExchangeProcess, **options: Any) -> None:
        self._local = exchange.rest_url.replace("http", "ws", 1)
        super().__init__(**options)

    def _connect(self, url: str) -> None:
        for host in ("wss://{SUBDOMAIN}.{DOMAIN}.{TLD}", "wss://{SUBDOMAIN}.{DOMAIN}.com"):
            url = url.replace(host, self._local)
        super()._connect(url)
