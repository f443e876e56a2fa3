"""A client of the paper exchange that is nothing but sockets, in a process of its own so that both can use a processor.

`python -m benchmarks.http_client PORT KEY SECRET COUNT CONNECTIONS` sends so many signed requests of two kinds, one
with nothing to do and one that is a market order, first one after the other over one connection, then as fast as they
are answered over all; prints a JSON object of rates (1/s) and medians (ms).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable
from statistics import median

_EMPTY = "/v5/user/query-api"
_ORDER = "/v5/order/create"
_WARM_UP = 300

Request = Callable[[int], bytes]


class Signed:
    """Requests of one API key as bytes."""

    def __init__(self, key: str, secret: str, run: str) -> None:
        self._key = key
        self._secret = secret.encode()
        self._run = run

    def empty(self, number: int) -> bytes:  # noqa: ARG002
        return self._request("GET", _EMPTY, "")

    def order(self, number: int) -> bytes:
        """Bought and sold in turn, so that the position stays small."""
        side = "Sell" if number % 2 else "Buy"
        body = (
            f'{{"category":"linear","symbol":"BTCUSDT","side":"{side}","orderType":"Market","qty":"0.001",'
            f'"orderLinkId":"{self._run}-{number}"}}'
        )
        return self._request("POST", _ORDER, body)

    def _request(self, method: str, path: str, body: str) -> bytes:
        now = str(time.time_ns() // 1_000_000)
        signature = hmac.digest(self._secret, f"{now}{self._key}5000{body}".encode(), hashlib.sha256).hex()
        return (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"X-BAPI-API-KEY: {self._key}\r\nX-BAPI-TIMESTAMP: {now}\r\nX-BAPI-RECV-WINDOW: 5000\r\n"
            f"X-BAPI-SIGN: {signature}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class Connection(asyncio.Protocol):
    """One request at a time over a connection that is kept."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the server hung up: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or self._answer is None:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._buffer = body[length:]
            self._answer.set_result(body[:length])

    async def ask(self, request: bytes) -> bytes:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


async def main(port: int, key: str, secret: str, count: int, connections: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    found: dict[str, float] = {}
    for name in ("empty", "order"):
        await _one_by_one(opened[0], getattr(Signed(key, secret, f"w{name}"), name), _WARM_UP)
        alone = await _one_by_one(opened[0], getattr(Signed(key, secret, f"a{name}"), name), count // 4)
        found[f"{name}_ms"] = median(alone) * 1000
        share = count // connections
        began = time.perf_counter()
        await asyncio.gather(
            *(
                _one_by_one(connection, getattr(Signed(key, secret, f"c{number}{name}"), name), share)
                for number, connection in enumerate(opened)
            )
        )
        found[f"{name}_rate"] = share * connections / (time.perf_counter() - began)
    return found


async def _one_by_one(connection: Connection, request: Request, count: int) -> list[float]:
    """How long each answer took, in seconds. Raises RuntimeError for a refusal."""
    took = []
    for number in range(count):
        asked = time.perf_counter()
        answer = await connection.ask(request(number))
        took.append(time.perf_counter() - asked)
        if not answer.startswith(b'{"retCode":0,'):
            raise RuntimeError(answer.decode())
    return took


if __name__ == "__main__":
    given_port, given_key, given_secret, given_count, given_connections = sys.argv[1:]
    result = asyncio.run(main(int(given_port), given_key, given_secret, int(given_count), int(given_connections)))
    sys.stdout.write(json.dumps(result) + "\n")
