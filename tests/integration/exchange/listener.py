"""A private socket of `websockets`, read by a thread of its own, so that a test sees all that happens to it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from paper_exchange.server.signature import sign
from tests.exchange_process import ExchangeProcess
from tests.support import eventually


class Received(NamedTuple):
    """One frame of a topic and when it came, in milliseconds of the wall clock."""

    frame: dict[str, Any]
    at_ms: float


class Listener:
    """An authenticated socket that has subscribed."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Received] = []
        self.answers: list[dict[str, Any]] = []
        self.end: ConnectionClosed | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        return self.end is not None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises ConnectionClosed when the socket ends instead of answering."""
        before = len(self.answers)
        self.connection.send(json.dumps(request))
        eventually(lambda: self.answers[before:] or self.end, what=f"an answer to {request['op']}")
        if self.end is not None:
            raise self.end
        return self.answers[before]

    def exec_ids(self) -> list[str]:
        """Of all execution frames, in the order in which they came, repetitions included."""
        return [row["execId"] for row in self.rows("execution")]

    def rows(self, topic: str) -> list[dict[str, Any]]:
        return [row for received in list(self.received) if received.frame["topic"] == topic
                for row in received.frame["data"]]  # fmt: skip

    def _read(self) -> None:
        try:
            while True:
                frame = json.loads(self.connection.recv())
                if "topic" in frame:
                    self.received.append(Received(frame, time.time() * 1000))
                else:
                    self.answers.append(frame)
        except ConnectionClosed as end:
            self.end = end


@contextmanager
def listening(
    exchange: ExchangeProcess, account: str = "canary", topics: Sequence[str] = ("execution",)
) -> Iterator[Listener]:
    with open_socket(exchange) as listener:
        assert authenticate(exchange, listener, account)["success"] is True
        assert listener.ask({"op": "subscribe", "req_id": "s", "args": list(topics)})["success"] is True
        eventually(lambda: sorted(topics) in sockets_of(exchange, account), what="the subscription")
        yield listener


@contextmanager
def open_socket(exchange: ExchangeProcess) -> Iterator[Listener]:
    # What a fault has made of the socket may not answer a closing handshake.
    options: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 0.1}
    with connect(exchange.private_url, **options) as connection:
        yield Listener(connection)


def authenticate(exchange: ExchangeProcess, listener: Listener, account: str = "canary") -> dict[str, Any]:
    keys = exchange.accounts[account]
    expires = int(time.time() * 1000) + 3_600_000
    return listener.ask(
        {"op": "auth", "args": [keys.api_key, expires, sign(keys.api_secret, f"GET/realtime{expires}")]}
    )


def sockets_of(exchange: ExchangeProcess, account: str) -> list[list[str]]:
    """The topics of each socket of the account, as the exchange knows them."""
    sockets: list[list[str]] = exchange.admin.state()["accounts"][account]["sockets"]
    return sockets
