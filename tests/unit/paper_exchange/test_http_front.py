"""The front of the paper exchange over real sockets, before routes that do nothing but tell what came."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from paper_exchange.server import http_front
from paper_exchange.server.http_front import HttpFront
from paper_exchange.server.http_message import Answer, Request

_SOCKET = "/v5/private"
_HANDSHAKE = b"GET /v5/private?x=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
_BIG = b"x" * (1 << 20)
_HUGE = _BIG * 24
"""More than the kernel takes from one and keeps for the other."""
_TOO_LONG = (1 << 20) + 1
_CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")

Asking = Callable[[], Awaitable["Client"]]


@dataclass
class Routes:
    """Answers with what was asked; /late late, /big with a megabyte, /huge with many, /cut not at all."""

    late_s: float = 0.05
    no_socket: Answer | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Answer | None:
        self.asked.append(request.path)
        if request.path == "/cut":
            return None
        told = {
            "method": request.method,
            "path": request.path,
            "query": request.query.decode(),
            "body": request.body.decode(),
            "host": request.headers["host"],
            "peer": request.peer,
        }
        body = {"/big": _BIG, "/huge": _HUGE}.get(request.path) or json.dumps(told).encode()
        return Answer(body=body, late_s=self.late_s if request.path == "/late" else 0.0)

    def refuse_socket(self, request: Request) -> Answer | None:
        assert request.path == _SOCKET
        return self.no_socket


class Socket(asyncio.Protocol):
    """Whoever serves WebSockets: gives back in capitals what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data.upper())


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> tuple[int, dict[str, str]]:
        """Of the next answer, without its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split(" ")[1]), headers

    async def body(self) -> bytes:
        """Of the next answer, which must be one of success."""
        status, headers = await self.status()
        assert status == 200
        return await self.reader.readexactly(int(headers["content-length"]))

    async def told(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(await self.body())
        return content

    async def refusal(self) -> tuple[int, int]:
        """Status and retCode of the next answer, behind which nothing comes."""
        status, headers = await self.status()
        assert headers["connection"] == "close"
        content = json.loads(await self.reader.readexactly(int(headers["content-length"])))
        assert await self.reader.read() == b""
        return status, content["retCode"]


@asynccontextmanager
async def served(routes: Routes) -> AsyncIterator[tuple[HttpFront, Asking]]:
    front = HttpFront(routes, Socket, [_SOCKET])
    await front.listen("127.0.0.1", 0)
    clients: list[Client] = []

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", front.port)))
        return clients[-1]

    try:
        yield front, connect
    finally:
        for client in clients:
            client.writer.close()
        await front.close(within_s=5)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


async def test_requests_sent_at_once_are_answered_in_order_behind_one_that_is_late() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(get("/one") + get("/late") + post("/two", b"{}") + get("/three?a=1&b=%20"))
        told = [await client.told() for _ in range(4)]
    assert [one["path"] for one in told] == ["/one", "/late", "/two", "/three"]
    assert told[2] == {"method": "POST", "path": "/two", "query": "", "body": "{}", "host": "x", "peer": "127.0.0.1"}
    assert told[3]["query"] == "a=1&b=%20"


async def test_a_request_may_come_byte_by_byte() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        for byte in post("/a", b"body"):
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.told())["body"] == "body"


@pytest.mark.parametrize(("path", "found"), [("/a%20b", "/a b"), ("http://else.where/c", "/c")])
async def test_a_path_is_read_as_it_is_meant(path: str, found: str) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(get(path))
        assert (await client.told())["path"] == found


async def test_a_head_is_all_that_is_answered_to_head() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + get("/b"))
        status, headers = await client.status()
        assert status == 200
        assert int(headers["content-length"]) > 0
        assert (await client.told())["path"] == "/b"


@pytest.mark.parametrize("before", [b"", get("/a"), get("/late")], ids=["alone", "behind", "behind-late"])
@pytest.mark.parametrize("offer", [(), _H2C], ids=["", "h2c"])
async def test_a_client_that_asks_whether_to_go_on_is_told_so_once(before: bytes, offer: tuple[str, ...]) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        whole = post("/a", b"body", "Expect: 100-continue", *offer)
        client.send(before + whole[:-4])
        if before:
            await client.told()
        assert (await client.status())[0] == 100
        client.send(whole[-4:])
        assert (await client.told())["body"] == "body"
        client.send(whole)
        assert (await client.told())["body"] == "body"


async def test_a_client_that_offers_another_protocol_is_answered_in_this_one() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(post("/a", b"body", *_H2C) + get("/b", *_H2C) + get("/c"))
        told = [await client.told() for _ in range(3)]
    assert [(one["path"], one["body"]) for one in told] == [("/a", "body"), ("/b", ""), ("/c", "")]


async def test_a_thousand_offers_at_once_are_answered_one_by_one() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(get("/a", "Connection: Upgrade", "Upgrade: h2c") * 1_000)
        for _ in range(1_000):
            assert (await client.told())["path"] == "/a"


@pytest.mark.parametrize(
    "request_bytes", [get("/a", "Connection: close"), b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n"], ids=["close", "1.0"]
)
async def test_a_connection_that_its_client_wants_closed_is(request_bytes: bytes) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(request_bytes)
        await client.told()
        assert await client.reader.read() == b""


async def test_a_request_can_be_cut_off_and_those_behind_it_never_happen() -> None:
    routes = Routes()
    async with served(routes) as (_, connect):
        client = await connect()
        client.send(get("/cut") + get("/a"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.status()
    assert routes.asked == ["/cut"]


async def test_a_head_without_an_end_is_refused_before_it_ends() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        # more than is read at a time
        client.send(b"GET /a HTTP/1.1\r\nX: " + b"9" * 600_000)
        assert await client.refusal() == (400, 10001)


@pytest.mark.parametrize("piece", [1 << 16, 12_000, 500], ids=["at once", "in two", "in many"])
@pytest.mark.parametrize("lines", [40, 45], ids=["long", "too long"])
async def test_a_head_may_be_so_long_however_it_comes(lines: int, piece: int) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        # each line counts 404 of the 16,384
        whole = get("/b") + get("/a", *(f"X{number:03}: {'9' * 400}" for number in range(lines)))
        for start in range(0, len(whole), piece):
            client.send(whole[start : start + piece])
            await asyncio.sleep(0)
        assert (await client.told())["path"] == "/b"
        if lines == 40:
            assert (await client.told())["path"] == "/a"
        else:
            assert await client.refusal() == (400, 10001)


async def test_what_stands_behind_the_chunks_of_a_body_counts_for_nothing() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(_CHUNKED + b"4\r\nbody\r\n0\r\nContent-Encoding: gzip\r\nX: y\r\n\r\n" + get("/b"))
        assert (await client.told())["body"] == "body"
        assert (await client.told())["path"] == "/b"


@pytest.mark.parametrize(
    "behind",
    [b"4\r\nbody\r\n0\r\n" + b"X: y\r\n" * 100_000, b"4;" + b"x" * 600_000],
    ids=["trailers", "extension"],
)
async def test_what_stands_beside_the_chunks_of_a_body_has_an_end(behind: bytes) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(_CHUNKED + behind)
        assert await client.refusal() == (400, 10001)


async def test_a_body_may_come_in_many_chunks() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(_CHUNKED + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
        assert len((await client.told())["body"]) == 200_000


@pytest.mark.parametrize(
    "begun",
    [
        f"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {_TOO_LONG}\r\n\r\n".encode(),
        _CHUNKED + f"{2 * _TOO_LONG:x}\r\n".encode() + b"x" * _TOO_LONG,
    ],
    ids=["announced", "chunked"],
)
async def test_a_body_that_is_too_long_is_refused_before_it_ends(begun: bytes) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(begun)
        assert await client.refusal() == (413, 10001)


@pytest.mark.parametrize("sent", ["line", "head", "behind"])
async def test_a_request_that_does_not_become_whole_is_refused(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_front, "_SWEEP_S", 0.01)
    whole = post("/a", b"body")
    async with served(Routes()) as (_, connect):
        idle, client = await connect(), await connect()
        client.send({"line": whole[:9], "head": whole[:-4], "behind": get("/b") + whole[:-2]}[sent])
        if sent == "behind":
            assert (await client.told())["path"] == "/b"
        assert await client.refusal() == (408, 10001)
        # who asks nothing may stay
        idle.send(whole)
        assert (await idle.told())["body"] == "body"


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"body")[:-3], gzip.compress(b"body") + b"more"], ids=["broken-off", "more"]
)
async def test_a_packed_body_must_be_whole_and_all_there_is(packed: bytes) -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(post("/a", packed, "Content-Encoding: gzip"))
        assert await client.refusal() == (400, 10001)


async def test_a_packed_body_may_come_with_an_offer() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(post("/a", gzip.compress(b"body"), "Content-Encoding: gzip", *_H2C))
        assert (await client.told())["body"] == "body"


async def test_a_packed_body_is_unpacked_and_a_bomb_is_too_long() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(post("/a", gzip.compress(b"body"), "Content-Encoding: gzip"))
        assert (await client.told())["body"] == "body"
        client.send(post("/a", gzip.compress(b" " * (1 << 23)), "Content-Encoding: gzip"))
        assert await client.refusal() == (413, 10001)


async def test_what_is_refused_comes_after_what_was_asked_before_it() -> None:
    async with served(Routes()) as (_, connect):
        client = await connect()
        client.send(get("/late") + b"nonsense\r\n\r\n")
        assert (await client.told())["path"] == "/late"
        assert await client.refusal() == (400, 10001)


async def test_a_client_that_does_not_read_is_not_answered_on_and_on() -> None:
    routes = Routes()
    async with served(routes) as (_, connect):
        lazy, other = await connect(), await connect()
        lazy.send(get("/big") * 40)
        while len(routes.asked) < 2:
            await asyncio.sleep(0)
        other.send(get("/a"))
        await other.told()
        assert routes.asked.count("/big") < 40
        for _ in range(40):
            assert await lazy.body() == _BIG


async def test_a_last_answer_is_sent_whole_to_a_client_that_reads_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_front, "_LINGER_S", 0.01)
    async with served(Routes()) as (_, connect):
        client, other = await connect(), await connect()
        client.send(get("/huge", "Connection: close"))
        await client.status()
        # lingers pass while it reads nothing
        for _ in range(4):
            other.send(get("/late"))
            await other.told()
        assert await client.reader.read() == _HUGE


async def test_a_last_answer_is_not_kept_for_a_client_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_front, "_LINGER_S", 0.001)
    monkeypatch.setattr(http_front, "_LONGEST_SENDING", 3)
    async with served(Routes()) as (_, connect):
        client, other = await connect(), await connect()
        client.send(get("/huge", "Connection: close"))
        await client.status()
        for _ in range(4):
            other.send(get("/late"))
            await other.told()
        assert len(await client.reader.read()) < len(_HUGE)


async def test_a_websocket_takes_its_connection_with_it() -> None:
    routes = Routes()
    async with served(routes) as (_, connect):
        client = await connect()
        client.send(get("/a") + _HANDSHAKE + b"first frame")
        assert (await client.told())["path"] == "/a"
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET /V5/PRIVATE?X=1 HTTP/1.1\r\nHOST: X\r\nUPGRADE: WEBSOCKET\r\n")
        assert await client.reader.readexactly(11) == b"FIRST FRAME"
        client.send(get("/b"))
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"GET /B")
    assert routes.asked == ["/a"]


async def test_a_websocket_that_must_not_be_is_refused_and_its_connection_closed() -> None:
    async with served(Routes(no_socket=Answer(body=b'{"retCode":10016}', status=503, closes=True))) as (_, connect):
        client = await connect()
        client.send(_HANDSHAKE + b"first frame")
        assert await client.refusal() == (503, 10016)


async def test_nothing_is_kept_of_what_comes_behind_a_websocket_that_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_front, "_LINGER_S", 60.0)
    async with served(Routes(no_socket=Answer(body=b'{"retCode":10016}', status=503, closes=True))) as (_, connect):
        client = await connect()
        client.send(_HANDSHAKE)
        assert await client.refusal() == (503, 10016)
        tracemalloc.start()
        try:
            for _ in range(32):
                client.send(_BIG)
                await client.writer.drain()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 8 * len(_BIG)


async def test_a_client_that_is_accepted_while_the_port_is_closed_is_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routes = Routes()
    async with served(routes) as (front, connect):
        add = front.add

        def add_late(connection: Any) -> None:
            # there is nobody to wait for yet, so the closing ends at once
            with suppress(StopIteration):
                front.close(within_s=5).send(None)
            add(connection)

        monkeypatch.setattr(front, "add", add_late)
        client = await connect()
        client.send(get("/a"))
        with suppress(ConnectionError):
            assert await client.reader.read() == b""
    assert routes.asked == []


async def test_the_end_waits_for_an_answer_that_is_late_and_for_no_idle_client() -> None:
    routes = Routes()
    async with served(routes) as (front, connect):
        idle, waiting = await connect(), await connect()
        idle.send(get("/a"))
        await idle.told()
        waiting.send(get("/late"))
        while "/late" not in routes.asked:
            await asyncio.sleep(0)
        await front.close(within_s=20)
        assert await idle.reader.read() == b""
        assert (await waiting.told())["path"] == "/late"
        assert await waiting.reader.read() == b""


async def test_the_end_waits_only_so_long() -> None:
    routes = Routes(late_s=600)
    async with served(routes) as (front, connect):
        client = await connect()
        client.send(get("/late"))
        while "/late" not in routes.asked:
            await asyncio.sleep(0)
        await front.close(within_s=0.01)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.status()
