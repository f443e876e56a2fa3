"""What private and public sockets have in common: frames in, one ordered queue of frames out."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from paper_exchange.server.envelope import refusal
from paper_exchange.server.params import BAD_PARAMETER

log = structlog.get_logger()

ACK_DELAY_S = 0.025
"""pybit registers a request id only after its send has returned, and its socket dies of an earlier answer."""
IDLE_S = 600.0
_SHORTEST_IDLE_S = 30.0
_ACTIVE_TIME = re.compile(r"(\d{1,4})(s|m)")
_QUEUE_FRAMES = 20_000
_MAX_FRAME = 1 << 20


class Socket:
    """One connection. `send` only queues, so that a slow reader holds up nobody; one that stops reading is cut off."""

    def __init__(self, response: web.WebSocketResponse, transport: asyncio.Transport | None, path: str) -> None:
        self.path = path
        self.conn_id = uuid4().hex[:20]
        self.topics: set[str] = set()
        self._response = response
        self._transport = transport
        self._queue: asyncio.Queue[str] = asyncio.Queue(_QUEUE_FRAMES)
        self._acknowledgements: asyncio.Queue[tuple[float, Callable[[], None]]] = asyncio.Queue()
        self._is_held = False

    def send(self, frame: str) -> None:
        if self._is_held:
            return
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            log.warning("socket_too_slow", conn_id=self.conn_id, frames=_QUEUE_FRAMES)
            self.abort()

    def send_json(self, content: Mapping[str, Any]) -> None:
        self.send(orjson.dumps(content).decode())

    def abort(self) -> None:
        """Cuts the connection without a closing handshake, as a network does."""
        if self._transport is not None:
            self._transport.abort()

    def freeze(self) -> None:
        """Goes silent for good, its connection open: nothing is sent any more and nothing read, not even a ping."""
        self._is_held = True
        while not self._queue.empty():
            self._queue.get_nowait()
        if self._transport is not None:
            self._transport.pause_reading()

    def half_close(self) -> None:
        """The same, after telling the client that nothing more will come (FIN). The client's side stays open."""
        self.freeze()
        if self._transport is not None:
            self._transport.write_eof()

    def acknowledge(self, act: Callable[[], None]) -> None:
        """Has a request acted on and answered when its client can bear the answer, after those before it."""
        self._acknowledgements.put_nowait((asyncio.get_running_loop().time() + ACK_DELAY_S, act))

    async def acknowledge_all(self) -> None:
        """Each in its time, until the connection ends, which it also does when one of them fails."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, act = await self._acknowledgements.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                act()
        except Exception:
            log.exception("socket_failed", conn_id=self.conn_id)
            await self._response.close(code=WSCloseCode.INTERNAL_ERROR)

    async def write_all(self) -> None:
        """Sends what is queued, in order, until the connection ends."""
        while True:
            frame = await self._queue.get()
            try:
                await self._response.send_str(frame)
            except ConnectionError:
                return


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long a connection is kept whose client says nothing: no request, no ping of either kind.

    A client may shorten its own with `?max_active_time=30s` to `10m`, as on Bybit.
    """

    idle_s: float = IDLE_S

    def of(self, request: web.Request) -> float:
        asked = _ACTIVE_TIME.fullmatch(request.rel_url.query.get("max_active_time", ""))
        if asked is None:
            return self.idle_s
        seconds = float(asked[1]) * (60 if asked[2] == "m" else 1)
        return min(self.idle_s, max(_SHORTEST_IDLE_S, seconds))


@web.middleware
async def enveloped(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A handshake that is none is refused in Bybit's form."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        content = refusal(BAD_PARAMETER, error.reason, time.time_ns() // 1_000_000)
        response = web.Response(body=orjson.dumps(content), status=error.status, content_type="application/json")
        response.force_close()
        return response


OnFrame = Callable[[Socket, dict[str, Any]], None]


async def serve(
    request: web.Request,
    keeping: Keeping,
    opened: Callable[[Socket], None],
    closed: Callable[[Socket], None],
    on_frame: OnFrame,
) -> web.WebSocketResponse:
    """Holds one connection from handshake to end. Frames are handled strictly one after the other, and none waits for
    the acknowledgement of another.

    Protocol-level pings are answered by aiohttp, and count as a sign of life.
    """
    response = web.WebSocketResponse(
        compress=False, max_msg_size=_MAX_FRAME, autoping=True, receive_timeout=keeping.of(request)
    )
    await response.prepare(request)
    socket = Socket(response, request.transport, request.path)
    opened(socket)
    working = [asyncio.create_task(socket.write_all()), asyncio.create_task(socket.acknowledge_all())]
    try:
        async for message in response:
            if message.type is WSMsgType.ERROR:
                break
            on_frame(socket, _parsed(message.data))
    except TimeoutError:
        log.info("socket_idle", conn_id=socket.conn_id)
        socket.abort()
    except Exception:
        # After the handshake nothing but a closing frame may be written here: an HTTP answer would be no frame at all.
        log.exception("socket_failed", conn_id=socket.conn_id, path=socket.path)
        await response.close(code=WSCloseCode.INTERNAL_ERROR)
    finally:
        for task in working:
            task.cancel()
        closed(socket)
    return response


def _parsed(data: str | bytes) -> dict[str, Any]:
    """The frame as an object; an empty one for what is none."""
    try:
        content = orjson.loads(data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def topics_of(frame: Mapping[str, Any]) -> list[str]:
    arguments = frame.get("args")
    return [str(topic) for topic in arguments] if isinstance(arguments, list) else []


def request_id(frame: Mapping[str, Any]) -> str:
    """As text: one client sends a number and all of them expect text back. Empty when there is none."""
    found = frame.get("req_id")
    return "" if found is None else str(found)
