"""A relay between listener and exchange on the private stream, which loses, repeats and adds frames as told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Rule = Callable[[str], list[str]]
"""What becomes of a frame from the exchange: the frames that go on instead."""


def as_it_is(frame: str) -> list[str]:
    return [frame]


def twice(frame: str) -> list[str]:
    return [frame, frame]


def without(topic: str) -> Rule:
    """Loses every frame of a topic."""
    return lambda frame: [] if f'"topic":"{topic}"' in frame.replace(" ", "")[:80] else [frame]


def of_two_topics(first: str, last: str) -> Rule:
    """Says another topic first in every frame of the topic `last`: of two keys of one name readers take the last."""
    mark = f'"topic":"{last}"'
    return lambda frame: [frame.replace("{", f'{{"topic":"{first}",', 1) if mark in frame[:80] else frame]


class Relay:
    """Listens on a loopback port in a thread of its own. Each connection has its own to the exchange."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.rule: Rule = as_it_is
        self.refusing = False
        self._open: set[ServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v5/private"

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._open)

    def say(self, frame: str) -> None:
        """Sends a frame of our own to the listener, as if it came from the exchange."""

        async def send() -> None:
            for connection in self._open:
                await connection.send(frame)

        asyncio.run_coroutine_threadsafe(send(), self._loop).result(5)

    def cut(self) -> None:
        """Ends every connection abruptly."""

        async def abort() -> None:
            for connection in self._open:
                connection.transport.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result(5)

    def __enter__(self) -> Relay:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _begin(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None, ping_interval=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, listener: ServerConnection) -> None:
        if self.refusing:
            listener.transport.abort()
            return
        async with dial(self._upstream, proxy=None, compression=None, ping_interval=None) as exchange:
            self._open.add(listener)
            there = asyncio.create_task(self._to_exchange(listener, exchange))
            try:
                async for frame in exchange:
                    for one in self.rule(str(frame)):
                        await listener.send(one)
            except ConnectionClosed:
                return
            finally:
                self._open.discard(listener)
                there.cancel()
                await asyncio.gather(there, return_exceptions=True)

    async def _to_exchange(self, listener: ServerConnection, exchange: ClientConnection) -> None:
        try:
            async for frame in listener:
                await exchange.send(frame)
        except ConnectionClosed:
            return
        finally:
            await exchange.close()
