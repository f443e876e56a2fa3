"""HTTP/1.1 below the routes: bytes in, requests out, and their answers back in order.

httptools reads (llhttp, which Node.js reads with). Between its last callback and the answer there is no task: an order
takes the engine less time than asyncio's tasks and futures take. What cannot be read as a request is answered in
Bybit's form as well. A request that becomes a WebSocket takes its connection with it, to whoever serves those.
"""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol, cast
from urllib.parse import unquote

import httptools
import orjson

from paper_exchange.server.envelope import refusal
from paper_exchange.server.http_message import Answer, Request
from paper_exchange.server.params import BAD_PARAMETER

_LONGEST_HEAD = 16 << 10
_LONGEST_BODY = 1 << 20
_LINGER_S = 1.0
"""A client may still be sending when it gets its last answer. To close at once would take that from it (RST)."""
_LONGEST_SENDING = 60
"""In lingers: the last answer may take its client so long to read."""
_SWEEP_S = 30.0
"""A request must be whole before two sweeps have met it."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_NO_HTTP = "params error: the request is not valid HTTP"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Routes(Protocol):
    """Whatever answers requests."""

    def answer(self, request: Request) -> Answer | None:
        """None cuts the connection instead. Raises nothing."""

    def refuse_socket(self, request: Request) -> Answer | None:
        """Why a request must not become a WebSocket; None when it may."""


class HttpFront:
    """One port. `open_socket` makes the protocol of a WebSocket; they are at `socket_paths`.

    A connection is kept for as long as its client keeps it, of which the network is asked now and then. A request that
    was begun has to become whole.
    """

    def __init__(
        self, routes: Routes, open_socket: Callable[[], asyncio.Protocol], socket_paths: Collection[str]
    ) -> None:
        self.routes = routes
        self.open_socket = open_socket
        self.socket_paths = frozenset(socket_paths)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._is_closing = False
        self._all_gone = asyncio.Event()
        self._sweeping: asyncio.TimerHandle | None = None
        self._second = 0
        self._date = ""

    async def listen(self, host: str, port: int) -> None:
        """Raises OSError when the port cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), host, port, backlog=128)
        self._sweeping = loop.call_later(_SWEEP_S, self._sweep, loop)

    @property
    def port(self) -> int:
        """The one it listens on, also when any was asked for (0)."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, within_s: float) -> None:
        """Takes no more, and gives answers that are late so much time."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._connections):
            connection.end()
        if self._connections:
            try:
                async with asyncio.timeout(within_s):
                    await self._all_gone.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.abort()

    def add(self, connection: _Connection) -> None:
        self._connections.add(connection)
        if self._is_closing:
            # it was on its way when the port was closed
            connection.abort()

    def forget(self, connection: _Connection) -> None:
        """The connection is gone, or somebody else's now."""
        self._connections.discard(connection)
        if self._is_closing and not self._connections:
            self._all_gone.set()

    def date(self) -> str:
        """For the header of that name."""
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection in list(self._connections):
            connection.refuse_overdue()
        self._sweeping = loop.call_later(_SWEEP_S, self._sweep, loop)


class _Connection(asyncio.Protocol):
    """One client, whose requests are answered one after the other, however many it sends at a time."""

    def __init__(self, front: HttpFront, loop: asyncio.AbstractEventLoop) -> None:
        self._front = front
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._peer = ""
        # what waits to be answered; an answer among them is that of a request which could not be read
        self._waiting: deque[Request | Answer] = deque()
        # the request that is being read
        self._is_half_read = False
        self._is_in_head = False
        self._is_overdue = False
        self._is_too_long = False
        # it waits with its body to be told so
        self._asks_to_go_on = False
        # bytes since it began, its head was whole or a part of its body came, whichever was last
        self._beside_body = 0
        # bytes that are being read, and all that came since its head began with them
        self._fed = self._head_at_most = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_length = 0
        # the first bytes of a WebSocket's own
        self._of_socket: bytes | None = None
        self._late: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._is_unread = False
        self._is_ending = False
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._front.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_over = True
        for timer in (self._late, self._lingering):
            if timer is not None:
                timer.cancel()
        self._front.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._of_socket is not None:
            self._of_socket += data
        else:
            self._read(data)
            self._go_on()

    def eof_received(self) -> bool:
        """True keeps the connection open, for an answer that is late."""
        return self._late is not None

    def pause_writing(self) -> None:
        """The client does not read its answers, so no more are made until it does."""
        self._is_unread = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_unread = False
        if self._late is None:
            self._transport.resume_reading()
            self._go_on()

    def end(self) -> None:
        """Close: after the answer that is late, if there is one."""
        self._is_ending = True
        if self._late is None:
            self._transport.close()

    def abort(self) -> None:
        self._is_over = True
        self._transport.abort()

    def refuse_overdue(self) -> None:
        """Refuses the request that was half read the last time as well, unless it is not the client that tarries."""
        if not self._is_half_read or self._late is not None or self._is_unread:
            self._is_overdue = False
        elif self._is_overdue:
            self._waiting.append(_refused(HTTPStatus.REQUEST_TIMEOUT))
            self._go_on()
        else:
            self._is_overdue = True

    def on_message_begin(self) -> None:
        self._is_half_read = self._is_in_head = True
        self._is_overdue = False
        self._beside_body = self._body_length = 0
        self._head_at_most = self._fed
        self._target = b""
        self._headers = {}
        self._body = []

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Also what stands behind a body in chunks, which counts for nothing."""
        if self._is_in_head:
            self._headers.setdefault(_header_name(name), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._beside_body = 0
        target, headers = self._target, self._headers
        # nearly every head comes in so few bytes that it need not be measured
        if self._head_at_most > _LONGEST_HEAD:
            length = len(target) + sum(map(len, headers)) + sum(map(len, headers.values()))
            if length > _LONGEST_HEAD:
                raise httptools.HttpParserError("a head beyond all measure")
        if not target.isascii():
            raise httptools.HttpParserError("a target that is none")
        self._require_short(int(headers.get("content-length", 0)))
        self._asks_to_go_on = headers.get("expect", "").lower() == "100-continue"

    def on_body(self, part: bytes) -> None:
        self._beside_body = 0
        self._body_length += len(part)
        self._require_short(self._body_length)
        self._body.append(part)

    def on_message_complete(self) -> None:
        self._is_half_read = self._asks_to_go_on = False
        path, query = _split(self._target)
        headers = self._headers
        body = b"".join(self._body)
        if body and "content-encoding" in headers:
            try:
                body = _unpacked(body, headers["content-encoding"].lower())
            except zlib.error:
                self._waiting.append(_refused(HTTPStatus.BAD_REQUEST, "params error: the body cannot be read"))
                return
        if len(body) > _LONGEST_BODY:
            self._waiting.append(_refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            return
        parser = self._parser
        request = Request(
            method=parser.get_method().decode(),
            target=self._target,
            path=path,
            query=query,
            headers=headers,
            body=body,
            peer=self._peer,
            keeps_alive=parser.should_keep_alive(),
            asks_for_socket=parser.should_upgrade() and headers.get("upgrade", "").lower() == "websocket",
        )
        self._waiting.append(request)

    def _require_short(self, body_length: int) -> None:
        if body_length > _LONGEST_BODY:
            self._is_too_long = True
            raise httptools.HttpParserError("a body beyond all measure")

    def _read(self, data: bytes) -> None:
        """Puts the requests that end in it among those that wait."""
        while data and self._of_socket is None:
            data = self._feed(data)

    def _feed(self, data: bytes) -> bytes:
        """Gives what is to be read after it: nothing, but behind a request that wants another protocol to begin."""
        self._fed = len(data)
        if self._is_half_read:
            self._beside_body += self._fed
            self._head_at_most += self._fed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._behind_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._is_too_long:
                self._waiting.append(_refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            else:
                self._waiting.append(_refused(HTTPStatus.BAD_REQUEST, _NO_HTTP))
            return b""
        if self._is_half_read and self._beside_body > _LONGEST_HEAD:
            self._waiting.append(_refused(HTTPStatus.BAD_REQUEST, _NO_HTTP))
        return b""

    def _behind_upgrade(self, rest: bytes) -> bytes:
        request = self._waiting[-1]
        if not isinstance(request, Request):
            return b""
        if request.asks_for_socket and request.method == "GET" and request.path in self._front.socket_paths:
            self._of_socket = rest
            return b""
        if "upgrade" in request.headers:
            # Clients of Java offer HTTP/2 in this way. As a request that offers nothing it has its body.
            self._waiting.pop()
            return _head_of(request, without="upgrade") + rest
        return rest

    def _go_on(self) -> None:
        """Answers what waits, until an answer is late or the client reads none."""
        waiting = self._waiting
        while waiting and self._late is None and not self._is_unread and not self._is_over:
            request = waiting.popleft()
            if isinstance(request, Answer):
                self._write(None, request)
            elif self._of_socket is not None and not waiting:
                self._hand_over(request, self._of_socket)
            else:
                self._answer(request)
        if self._asks_to_go_on and not (waiting or self._late or self._is_unread or self._is_over):
            self._asks_to_go_on = False
            self._transport.write(_CONTINUE)

    def _answer(self, request: Request) -> None:
        answer = self._front.routes.answer(request)
        if answer is None:
            self.abort()
        elif answer.late_s:
            self._transport.pause_reading()
            self._late = self._loop.call_later(answer.late_s, self._write_late, request, answer)
        else:
            self._write(request, answer)

    def _write_late(self, request: Request, answer: Answer) -> None:
        self._late = None
        self._write(request, answer)
        if not self._is_unread and not self._transport.is_closing():
            self._transport.resume_reading()
            self._go_on()

    def _write(self, request: Request | None, answer: Answer) -> None:
        is_last = answer.closes or self._is_ending or request is None or not request.keeps_alive
        body = answer.body
        head = (
            f"{_STATUS_LINES[answer.status]}\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(body)}\r\nDate: {self._front.date()}\r\n"
            f"Connection: {'close' if is_last else 'keep-alive'}\r\n"
        )
        for name, value in answer.headers.items():
            head += f"{name}: {value}\r\n"
        if request is not None and request.method == "HEAD":
            body = b""
        self._transport.write(f"{head}\r\n".encode() + body)
        if is_last:
            self._is_over = True
            self._transport.write_eof()
            self._linger(_LONGEST_SENDING)

    def _linger(self, left: int) -> None:
        """Cuts the connection a linger after all that was written is sent, or when that takes too long."""
        if left and self._transport.get_write_buffer_size():
            self._lingering = self._loop.call_later(_LINGER_S, self._linger, left - 1)
        else:
            self._lingering = self._loop.call_later(_LINGER_S, self._transport.abort)

    def _hand_over(self, request: Request, rest: bytes) -> None:
        """The connection is a WebSocket's from here on, or of nobody when it must not become one."""
        refused = self._front.routes.refuse_socket(request)
        if refused is not None:
            self._write(None, refused)
            return
        protocol = self._front.open_socket()
        self._is_over = True
        self._front.forget(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(_head_of(request) + rest)


@lru_cache(maxsize=256)
def _header_name(raw: bytes) -> str:
    # Kept, because all clients send the same few.
    return raw.decode("latin-1").lower()


def _head_of(request: Request, without: str = "") -> bytes:
    lines = [f"{request.method} ".encode() + request.target + b" HTTP/1.1"]
    for name, value in request.headers.items():
        if name != without:
            lines.append(f"{name}: {value}".encode("utf-8", "surrogateescape"))
    return b"\r\n".join([*lines, b"", b""])


def _split(target: bytes) -> tuple[str, bytes]:
    """Path and query. Raises httptools.HttpParserError for a target that is none."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
    else:
        url = httptools.parse_url(target)
        path, query = url.path or b"", url.query or b""
    text = path.decode()
    return unquote(text) if "%" in text else text, query


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body as it was before it was packed; of one that is too long no more than shows it. Raises zlib.error."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise zlib.error(f"nobody here unpacks {encoding}")
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    unpacked = unpacking.decompress(body, _LONGEST_BODY + 1)
    if len(unpacked) <= _LONGEST_BODY and (not unpacking.eof or unpacking.unused_data):
        raise zlib.error("it breaks off, or something is behind it")
    return unpacked


def _refused(status: HTTPStatus, text: str = "") -> Answer:
    body = orjson.dumps(refusal(BAD_PARAMETER, text or status.phrase, time.time_ns() // 1_000_000))
    return Answer(body=body, status=status, closes=True)
