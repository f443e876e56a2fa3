"""A WebSocket without a client library's opinions: what is sent and what comes, frame by frame."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from paper_exchange.server.signature import sign
from tests.exchange_process import ExchangeProcess


class RawSocket:
    """One connection. `ask` passes over what is pushed meanwhile; `next` gives pushed frames in their order."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._pushed: list[dict[str, Any]] = []

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        await self.connection.send(json.dumps(request))
        while True:
            frame: dict[str, Any] = json.loads(await self.connection.recv())
            if "topic" not in frame:
                return frame
            self._pushed.append(frame)

    async def subscribe(self, *topics: str) -> None:
        answer = await self.ask({"op": "subscribe", "req_id": "s", "args": list(topics)})
        assert answer["success"] is True, answer

    async def next(self) -> dict[str, Any]:
        if self._pushed:
            return self._pushed.pop(0)
        frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def authenticate(self, exchange: ExchangeProcess, account: str) -> dict[str, Any]:
        keys = exchange.accounts[account]
        expires = int(time.time() * 1000) + 10_000
        signature = sign(keys.api_secret, f"GET/realtime{expires}")
        return await self.ask({"op": "auth", "args": [keys.api_key, expires, signature]})


@asynccontextmanager
async def raw_socket(exchange: ExchangeProcess, path: str = "/v5/public/linear") -> AsyncIterator[RawSocket]:
    url = exchange.rest_url.replace("http", "ws", 1) + path
    async with connect(url, proxy=None, compression=None) as connection:
        yield RawSocket(connection)
