"""A REST client that sends exactly the bytes it is given, signed as they are."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.exchange_process import ExchangeProcess

_NO_HEADERS: Mapping[str, str] = {}
ENVELOPE = {"retCode": int, "retMsg": str, "result": dict, "retExtInfo": dict, "time": int}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `content` is the envelope, whose form `read` has checked."""

    status: int
    content: dict[str, Any]

    @property
    def code(self) -> int:
        return int(self.content["retCode"])

    @property
    def text(self) -> str:
        return str(self.content["retMsg"])

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = self.content["result"]
        return result

    @property
    def outcomes(self) -> list[tuple[int, str]]:
        """What a batch says of its items."""
        return [(row["code"], row["msg"]) for row in self.content["retExtInfo"]["list"]]


class RawRest:
    """One keep-alive connection, opened anew when the server has closed it."""

    def __init__(self, exchange: ExchangeProcess, account: str = "canary") -> None:
        self._keys = exchange.accounts[account]
        self._connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=20)

    def get(self, path: str, query: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        target = path.encode() + (b"?" + query if query else b"")
        return self._send("GET", target, b"", {**self.signed(query), **headers})

    def post(self, path: str, body: object, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._send("POST", path.encode(), raw, {**self.signed(raw), **headers})

    def unsigned(self, method: str, target: bytes) -> Answer:
        return self._send(method, target, b"", {})

    def signed(self, payload: bytes) -> dict[str, str]:
        timestamp = str(int(time.time() * 1000))
        origin = f"{timestamp}{self._keys.api_key}5000".encode() + payload
        return {
            "X-BAPI-API-KEY": self._keys.api_key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": hmac.new(self._keys.api_secret.encode(), origin, hashlib.sha256).hexdigest(),
            "Content-Type": "application/json",
        }

    def close(self) -> None:
        self._connection.close()

    def _send(self, method: str, target: bytes, body: bytes, headers: dict[str, str]) -> Answer:
        # putrequest would refuse or encode what a careless client sends, so the request line is written by hand.
        lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: 127.0.0.1"]
        lines += [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in headers.items()]
        lines.append(f"Content-Length: {len(body)}".encode())
        connection = self._connection
        if connection.sock is None:
            connection.connect()
        assert connection.sock is not None
        connection.sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        response = http.client.HTTPResponse(connection.sock, method=method)
        response.begin()
        content = response.read()
        if response.will_close:
            connection.close()
        return read(response.status, content)


def read(status: int, content: bytes) -> Answer:
    """Fails for anything that is not Bybit's envelope."""
    envelope = json.loads(content)
    assert {name: type(value) for name, value in envelope.items()} == ENVELOPE, content[:500]
    return Answer(status, envelope)
