"""The WebSocket side (https://bybit-exchange.github.io/docs/v5/ws/connect): control messages and delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from aiohttp import WSMsgType, web

from paper_exchange.server.auth import KeyRing
from paper_exchange.server.envelope import wall_ms

log = structlog.get_logger()

ACK_DELAY_S = 0.025
"""pybit registers a subscription after it has sent it; an earlier answer would kill its socket for good."""
_QUEUE = 20_000
_PRIVATE_TOPICS = frozenset({"execution", "order", "position", "wallet"})
_CATEGORISED = frozenset({"execution", "order", "position"})
_PUBLIC_KINDS = frozenset({"kline", "tickers"})


class Socket:
    """One client. Frames go out in the order in which they were handed in, by one task of its own."""

    def __init__(self, socket: web.WebSocketResponse, name: str) -> None:
        self.name = name
        self.uid: int | None = None
        self.topics: set[str] = set()
        self._socket = socket
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE)
        self._not_before = 0.0

    def send(self, message: bytes) -> None:
        """Hands in a frame. A client that does not read for so long is cut off, as any server would."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("client_too_slow", socket=self.name)
            self.drop()

    def acknowledge(self, message: Mapping[str, Any]) -> None:
        """Hands in an acknowledgement, which is held back for a moment; what follows stays behind it."""
        self._not_before = time.monotonic() + ACK_DELAY_S
        self.send(orjson.dumps(message))

    def drop(self) -> None:
        """Cuts the connection without a closing handshake."""
        transport = self._socket._req.transport if self._socket._req is not None else None
        if transport is not None:
            transport.abort()

    async def write_all(self) -> None:
        """Sends what is handed in until the connection ends."""
        while (message := await self._queue.get()) is not None:
            pause = self._not_before - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            try:
                await self._socket.send_str(message.decode())
            except (ConnectionError, RuntimeError):
                return

    def end(self) -> None:
        """No more frames."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)


class Hub:
    """All sockets, and who has subscribed to what."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._private: set[Socket] = set()
        self._public: set[Socket] = set()
        self._count = 0

    def publish_private(self, uid: int, topic: str, frame_id: str, data: list[dict[str, Any]]) -> None:
        """To every socket of the account that subscribed to the topic, in its form."""
        for name in (topic, f"{topic}.linear"):
            readers = [socket for socket in self._private if socket.uid == uid and name in socket.topics]
            if readers:
                frame = {"topic": name, "id": frame_id, "creationTime": wall_ms(), "data": data}
                message = orjson.dumps(frame)
                for socket in readers:
                    socket.send(message)

    def publish_public(self, topic: str, frame: Mapping[str, Any]) -> None:
        readers = [socket for socket in self._public if topic in socket.topics]
        if readers:
            message = orjson.dumps(frame)
            for socket in readers:
                socket.send(message)

    def public_topics(self) -> set[str]:
        """What anybody listens to."""
        return set().union(*(socket.topics for socket in self._public))

    def drop_private(self, uid: int | None) -> int:
        """Cuts the private sockets of an account, or all. Answers how many."""
        dropped = [socket for socket in self._private if uid is None or socket.uid == uid]
        for socket in dropped:
            socket.drop()
        return len(dropped)

    async def serve_private(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve(request, self._private, self._private_message)

    async def serve_public(self, request: web.Request) -> web.WebSocketResponse:
        return await self._serve(request, self._public, self._public_message)

    async def _serve(self, request: web.Request, sockets: set[Socket], handle: Any) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
        await response.prepare(request)
        self._count += 1
        socket = Socket(response, f"c-{self._count}")
        sockets.add(socket)
        writer = asyncio.create_task(socket.write_all())
        try:
            async for message in response:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    content = orjson.loads(message.data)
                except orjson.JSONDecodeError:
                    content = None
                if isinstance(content, dict):
                    handle(socket, content)
                else:
                    socket.acknowledge(_failure(socket, {}, "", "Request not supported"))
        finally:
            sockets.discard(socket)
            socket.end()
            await writer
        return response

    def _private_message(self, socket: Socket, message: Mapping[str, Any]) -> None:
        operation = message.get("op")
        if operation == "auth":
            account = self._keys.of_stream(message.get("args"), wall_ms())
            if account is None:
                socket.acknowledge({"success": False, "ret_msg": "Params Error", "op": "auth", "conn_id": socket.name})
                return
            socket.uid = account.uid
            reply = {"success": True, "ret_msg": "", "op": "auth", "conn_id": socket.name}
            socket.acknowledge(_echo(reply, message))
        elif operation == "ping":
            reply = {"op": "pong", "args": [str(wall_ms())], "conn_id": socket.name}
            socket.acknowledge(_echo(reply, message))
        elif operation in ("subscribe", "unsubscribe"):
            if socket.uid is None:
                socket.acknowledge(_failure(socket, message, operation, "Request not authorized"))
                return
            self._change(socket, message, operation, _is_private_topic, "")
        else:
            socket.acknowledge(_failure(socket, message, str(operation), "Request not supported"))

    def _public_message(self, socket: Socket, message: Mapping[str, Any]) -> None:
        operation = message.get("op")
        if operation == "ping":
            socket.acknowledge(
                {
                    "success": True,
                    "ret_msg": "pong",
                    "conn_id": socket.name,
                    "req_id": str(message.get("req_id", "")),
                    "op": "ping",
                }
            )
        elif operation in ("subscribe", "unsubscribe"):
            self._change(socket, message, operation, _is_public_topic, "")
        else:
            socket.acknowledge(_failure(socket, message, str(operation), "Request not supported"))

    def _change(self, socket: Socket, message: Mapping[str, Any], operation: str, known: Any, text: str) -> None:
        topics = message.get("args")
        if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
            socket.acknowledge(_failure(socket, message, operation, "error: args must be a list of topics"))
            return
        wrong = [topic for topic in topics if not known(topic)]
        if wrong:
            socket.acknowledge(_failure(socket, message, operation, f"error:handler not found,topic:{wrong[0][:64]}"))
            return
        reply = {
            "req_id": str(message.get("req_id", "")),
            "success": True,
            "ret_msg": text,
            "op": operation,
            "conn_id": socket.name,
        }
        socket.acknowledge(reply)
        # After the acknowledgement is in the queue: no data of a topic may come before it.
        if operation == "subscribe":
            socket.topics.update(topics)
        else:
            socket.topics.difference_update(topics)


def _is_private_topic(topic: str) -> bool:
    name, _, category = topic.partition(".")
    return topic in _PRIVATE_TOPICS or (name in _CATEGORISED and category == "linear")


def _is_public_topic(topic: str) -> bool:
    return topic.partition(".")[0] in _PUBLIC_KINDS and topic.count(".") in (1, 2)


def _failure(socket: Socket, message: Mapping[str, Any], operation: str, text: str) -> dict[str, Any]:
    return {
        "success": False,
        "ret_msg": text,
        "conn_id": socket.name,
        "req_id": str(message.get("req_id", "")),
        "op": operation,
    }


def _echo(reply: dict[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    return {"req_id": str(message["req_id"]), **reply} if "req_id" in message else reply
