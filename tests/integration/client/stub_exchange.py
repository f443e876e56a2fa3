"""A small exchange that misbehaves as it is told: real HTTP and WebSocket on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

from alpha.exchange.endpoints import Endpoints, paper_endpoints

Socket = web.WebSocketResponse
Script = Callable[[Socket], Awaitable[None]]


@dataclass
class Received:
    """A request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Reply:
    """What to answer. A body that is not bytes is sent as JSON; `hang_up` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    hang_up: bool = False


def ok(result: Mapping[str, Any], **headers: str) -> Reply:
    return Reply(_envelope(0, "OK", result), headers=headers)


def refusal(code: int, text: str, **headers: str) -> Reply:
    return Reply(_envelope(code, text, {}), headers=headers)


def _envelope(code: int, text: str, result: Mapping[str, Any]) -> dict[str, Any]:
    return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": int(time.time() * 1000)}


class StubExchange:
    """`rest` holds a function per path, `scripts` what each next stream connection does; the last one repeats. Without
    `answers_pings` protocol pings are handed to the script and not answered."""

    def __init__(self) -> None:
        self.rest: dict[str, Callable[[Received], Reply]] = {}
        self.received: list[Received] = []
        self.scripts: list[Script] = []
        self.connections = 0
        self.answers_pings = True
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoints(self) -> Endpoints:
        return paper_endpoints(f"http://127.0.0.1:{self.port}")

    def __enter__(self) -> StubExchange:
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v5/private", self._stream)
        app.router.add_get("/v5/public/linear", self._stream)
        app.router.add_route("*", "/{path:.*}", self._rest)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _stop(self) -> None:
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _rest(self, request: web.Request) -> web.Response:
        received = Received(
            request.method,
            request.path,
            dict(request.query),
            request.rel_url.raw_query_string,
            await request.read(),
            request.headers.copy(),
        )
        self.received.append(received)
        handler = self.rest.get(request.path)
        reply = handler(received) if handler else Reply({"retCode": 10017, "retMsg": "route not found"}, status=404)
        if reply.after_s:
            await asyncio.sleep(reply.after_s)
        if reply.hang_up:
            assert request.transport is not None
            request.transport.abort()
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return web.Response(body=body, status=reply.status, headers=reply.headers, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = Socket(autoping=self.answers_pings)
        await socket.prepare(request)
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        await script(socket)
        return socket


async def messages(socket: Socket) -> Any:
    """Each JSON message of the client; protocol pings are answered meanwhile."""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            yield json.loads(message.data)


async def subscribed(socket: Socket) -> None:
    """Answers auth and every subscribe until the first subscribe has been answered."""
    async for message in messages(socket):
        await acknowledge(socket, message)
        if message["op"] == "subscribe":
            return


async def acknowledge(socket: Socket, message: Mapping[str, Any], *, success: bool = True, text: str = "") -> None:
    await asyncio.sleep(0.02)
    reply = {"success": success, "ret_msg": text, "op": message["op"], "conn_id": "c-1"}
    if "req_id" in message and message["op"] != "auth":
        reply["req_id"] = message["req_id"]
    await socket.send_json(reply)


async def serve(socket: Socket) -> None:
    """A healthy connection: acknowledges and answers pings for as long as the client stays."""
    async for message in messages(socket):
        if message["op"] == "ping":
            await socket.send_json({"req_id": message.get("req_id", ""), "op": "pong", "args": ["1"], "conn_id": "c-1"})
        else:
            await acknowledge(socket, message)


async def freeze(socket: Socket) -> None:
    """Half open: the connection stands, nothing is read or answered any more, not even protocol pings."""
    del socket
    await asyncio.Event().wait()
