"""An exchange that does nothing but tell: Bybit's private stream and the REST endpoints that a listener asks.

The paper exchange matches orders and is slower than what is measured here. This one knows beforehand what will happen
(`benchmarks.script`), has it as bytes, and writes it as fast as the readers read, or paced. Its market clock stands at
the last execution told while it tells, and runs with the wall clock otherwise; executions are served over REST from
the moment they are told.

Run as a process: `python -m benchmarks.firehose '{"port", "accounts", "fills", "states", "lists_per_s"}'`, where
`fills` are per account and `lists_per_s` is the limit on execution/list (null: none). Driven over HTTP:

    POST /run       {"fills", "rate", "at_ns", "heard"}, none of them required: tell so many fills over all accounts
                    (else all that are left), at a rate per second (else as fast as they are read) from wall time
                    `at_ns` (else now); with `heard` false nothing is sent, and only REST tells of them
    GET  /progress  {"told", "began_ns", "ended_ns", "first_list_ns", "lists", "refused", "sockets", "failure"}
    GET  /sent      of paced runs: {execution id: wall time in ns at which its frame was written}
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from aiohttp import web

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from benchmarks.cast import Role, cast, exchange_accounts
from benchmarks.script import Script, TimedFrames
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused, Wallet
from paper_exchange.server.render_account import key_information, wallet_balance
from paper_exchange.server.signature import authenticated, authenticated_socket

_MARKET_TIME_HEADER = "X-Alpha-Market-Time"
_TOO_MANY = 10006
_NO_LIMIT = 10_000
_STARTS_IN = timedelta(hours=1)
_CHUNK_FILLS = 64
_BUFFERED_BYTES = 256 * 1024
_PAGE = 100
_CASH = Decimal(1_000_000)

_NO_HEADERS: Mapping[str, str] = {}

Route = Callable[["Stage", web.Request], dict[str, Any]]


@dataclass
class Stage:
    """One account: what it will be told, how much of that was told, and who listens."""

    role: Role
    script: Script
    frames: list[TimedFrames]
    rows: list[bytes]
    told: int = 0
    sockets: list[asyncio.Transport] = field(default_factory=list)
    lists_at_s: deque[float] = field(default_factory=deque)
    """When executions were asked for within the last second."""

    @property
    def left(self) -> int:
        return len(self.frames) - self.told

    @property
    def reads_behind(self) -> bool:
        """Whether a reader has so much unread that more must wait."""
        return any(socket.get_write_buffer_size() > _BUFFERED_BYTES for socket in self.sockets)

    def tell(self, count: int, *, heard: bool = True) -> None:
        """The next fills happen, and are sent unless nobody shall hear them."""
        chunk = self.frames[self.told : self.told + count]
        self.told += len(chunk)
        if heard and self.sockets:
            at_ms = wall_ms()
            data = b"".join([frames.at(at_ms) for frames in chunk])
            for socket in self.sockets:
                socket.write(data)

    @property
    def told_until_ms(self) -> int:
        return self.script.time_ms(self.told - 1) if self.told else 0


class Firehose:
    """All accounts, the two clocks and the counters."""

    def __init__(self, accounts: int, fills: int, *, with_states: bool, lists_per_s: int | None) -> None:
        self._lists_per_s = lists_per_s or _NO_LIMIT
        self._market_ms = wall_ms()
        self._market_set_s = time.monotonic()
        roles = cast(accounts)
        self._accounts = exchange_accounts(roles)
        start = from_ms(self._market_ms) + _STARTS_IN
        self._stages = {role.uid: _set_up(role, start, fills, with_states=with_states) for role in roles}
        self._running = False
        self._sent: dict[str, int] = {}
        self._began_ns = self._ended_ns = self._first_list_ns = 0
        self._lists = self._refused = 0
        self._failure = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v5/private", self._serve_stream)
        app.router.add_get("/v5/market/time", self._serve_time)
        for path, route in {
            "/v5/user/query-api": _key_information,
            "/v5/position/list": _positions,
            "/v5/order/realtime": _no_rows,
            "/v5/order/history": _no_rows,
            "/v5/account/wallet-balance": _wallet,
        }.items():
            app.router.add_get(path, self._asked(route))
        app.router.add_get("/v5/execution/list", self._serve_executions)
        app.router.add_post("/run", self._run)
        app.router.add_get("/progress", self._progress)
        app.router.add_get("/sent", self._tell_sent)
        return app

    @property
    def _now_ms(self) -> int:
        if self._running:
            return max(self._market_ms, max(stage.told_until_ms for stage in self._stages.values()))
        return self._market_ms + int((time.monotonic() - self._market_set_s) * 1000)

    def _set_clock(self) -> None:
        self._market_ms, self._market_set_s = self._now_ms, time.monotonic()

    # What a listener asks.

    async def _serve_stream(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        stage: Stage | None = None
        try:
            async for message in response:
                frame = orjson.loads(message.data)
                operation = frame.get("op")
                said = {"op": operation, "req_id": frame.get("req_id", ""), "success": True, "ret_msg": ""}
                if operation == "auth":
                    account = authenticated_socket(frame.get("args"), self._accounts, wall_ms())
                    said["success"] = account is not None
                    stage = None if account is None else self._stages[account.uid]
                elif operation == "ping":
                    said = {"op": "pong", "req_id": frame.get("req_id", ""), "args": [str(wall_ms())]}
                await response.send_bytes(orjson.dumps(said))
                if operation == "subscribe" and stage is not None and transport not in stage.sockets:
                    stage.sockets.append(transport)
        finally:
            if stage is not None and transport in stage.sockets:
                stage.sockets.remove(transport)
        return response

    async def _serve_time(self, _: web.Request) -> web.Response:
        now_ns = time.time_ns()
        return self._answer({"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)})

    def _asked(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                stage = self._stages[self._signed(request).uid]
            except Refused as error:
                return self._refusal(error)
            return self._answer(route(stage, request))

        return handle

    async def _serve_executions(self, request: web.Request) -> web.Response:
        """Newest first. The cursor names the number of the last execution given."""
        try:
            stage = self._stages[self._signed(request).uid]
        except Refused as error:
            return self._refusal(error)
        self._first_list_ns = self._first_list_ns or time.time_ns()
        self._lists += 1
        left = self._left_of_limit(stage)
        limit = {"X-Bapi-Limit": str(self._lists_per_s), "X-Bapi-Limit-Status": str(max(left, 0))}
        if left < 0:
            self._refused += 1
            limit["X-Bapi-Limit-Reset-Timestamp"] = str(wall_ms() + 1000)
            return self._refusal(Refused(_TOO_MANY, "Too many visits!"), limit)
        query = request.query
        first = _first_at(stage.script, stage.told, int(query["startTime"]))
        after = _first_at(stage.script, stage.told, int(query["endTime"]) + 1)
        until = min(int(query["cursor"]), after) if query.get("cursor") else after
        since = max(first, until - int(query.get("limit", _PAGE)))
        rows = b",".join(reversed(stage.rows[since:until]))
        cursor = str(since) if since > first else ""
        return self._raw(b'{"category":"linear","nextPageCursor":"%b","list":[%b]}' % (cursor.encode(), rows), limit)

    def _left_of_limit(self, stage: Stage) -> int:
        """How many more requests the account may make now; below 0 when this one is too many, and is not counted."""
        now_s = time.monotonic()
        while stage.lists_at_s and stage.lists_at_s[0] <= now_s - 1:
            stage.lists_at_s.popleft()
        left = self._lists_per_s - len(stage.lists_at_s) - 1
        if left >= 0:
            stage.lists_at_s.append(now_s)
        return left

    def _signed(self, request: web.Request) -> ExchangeAccount:
        return authenticated(request.headers, request.raw_path.partition("?")[2].encode(), self._accounts, wall_ms())

    def _answer(self, result: dict[str, Any]) -> web.Response:
        return self._raw(orjson.dumps(result))

    def _raw(self, result: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> web.Response:
        body = b'{"retCode":0,"retMsg":"OK","result":%b,"retExtInfo":{},"time":%d}' % (result, wall_ms())
        return self._respond(body, headers)

    def _refusal(self, error: Refused, headers: Mapping[str, str] = _NO_HEADERS) -> web.Response:
        content = {"retCode": error.code, "retMsg": error.text, "result": {}, "retExtInfo": {}, "time": wall_ms()}
        return self._respond(orjson.dumps(content), headers)

    def _respond(self, body: bytes, headers: Mapping[str, str]) -> web.Response:
        told = {_MARKET_TIME_HEADER: str(self._now_ms), **headers}
        return web.Response(body=body, content_type="application/json", headers=told)

    # What the benchmark asks.

    async def _run(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        self._began_ns = self._ended_ns = self._first_list_ns = 0
        self._lists = self._refused = 0
        work = self._paced(asked) if asked.get("rate") else self._at_once(asked)
        task = asyncio.create_task(self._to_its_end(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response({})

    async def _progress(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "told": sum(stage.told for stage in self._stages.values()),
                "began_ns": self._began_ns,
                "ended_ns": self._ended_ns,
                "first_list_ns": self._first_list_ns,
                "lists": self._lists,
                "refused": self._refused,
                "sockets": sum(len(stage.sockets) for stage in self._stages.values()),
                "failure": self._failure,
            }
        )

    async def _tell_sent(self, _: web.Request) -> web.Response:
        return web.json_response(self._sent)

    async def _to_its_end(self, work: Awaitable[None]) -> None:
        self._set_clock()
        self._running = True
        self._began_ns = time.time_ns()
        try:
            await work
        except Exception as error:  # noqa: BLE001 - told to the benchmark, which ends with it
            self._failure = repr(error)
        self._set_clock()
        self._running = False
        self._ended_ns = time.time_ns()

    async def _at_once(self, asked: dict[str, Any]) -> None:
        """As fast as they are read: every account a chunk in turn, unless it reads behind."""
        heard = asked.get("heard", True)
        left = self._wanted(asked)
        while left:
            waits = True
            for stage in self._stages.values():
                if stage.left and not stage.reads_behind:
                    count = min(stage.left, left, _CHUNK_FILLS)
                    stage.tell(count, heard=heard)
                    left -= count
                    waits = False
            await asyncio.sleep(0.001 if waits else 0)

    async def _paced(self, asked: dict[str, Any]) -> None:
        """One fill at a time, account after account, and exactly when it is due."""
        every_ns = int(1e9 / asked["rate"])
        due_ns = asked.get("at_ns") or time.time_ns()
        stages = itertools.cycle(self._stages.values())
        for _ in range(self._wanted(asked)):
            await _until(due_ns)
            stage = next(stages)
            exec_id = stage.script.exec_id(stage.told)
            self._sent[exec_id] = time.time_ns()
            stage.tell(1)
            due_ns += every_ns

    def _wanted(self, asked: dict[str, Any]) -> int:
        left = sum(stage.left for stage in self._stages.values())
        return min(left, asked["fills"]) if asked.get("fills") else left


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _until(due_ns: int) -> None:
    """Sleeps to just before, since timers are late by a part of a millisecond, then lets the loop turn."""
    while (left_s := (due_ns - time.time_ns()) / 1e9) > 0:
        await asyncio.sleep(max(left_s - 0.0005, 0))


def _first_at(script: Script, told: int, time_ms: int) -> int:
    """The number of the first fill told that is not before a market time; `told` when there is none."""
    return bisect_left(range(told), time_ms, key=script.time_ms)


def _set_up(role: Role, start: datetime, fills: int, *, with_states: bool) -> Stage:
    script = Script(role, start)
    frames = [script.frames(number, with_states=with_states) for number in range(fills)]
    return Stage(role, script, frames, [script.rest_row(number) for number in range(fills)])


def _key_information(stage: Stage, _: web.Request) -> dict[str, Any]:
    account = exchange_accounts((stage.role,)).of_uid(stage.role.uid)
    return key_information(account)


def _positions(stage: Stage, request: web.Request) -> dict[str, Any]:
    symbol = request.query.get("symbol")
    rows = stage.script.rest_positions(stage.told, Symbol(symbol) if symbol else None)
    return {"category": "linear", "nextPageCursor": "", "list": rows}


def _no_rows(_: Stage, __: web.Request) -> dict[str, Any]:
    return {"category": "linear", "nextPageCursor": "", "list": []}


def _wallet(stage: Stage, _: web.Request) -> dict[str, Any]:
    zero = Decimal(0)
    wallet = Wallet(
        uid=stage.role.uid,
        opening_balance=_CASH,
        balance=_CASH,
        unrealized_pnl=zero,
        position_margin=zero,
        order_margin=zero,
        maintenance_margin=zero,
        is_isolated=False,
        updated_at=datetime.now(UTC),
    )
    return wallet_balance(wallet, None)


def main() -> None:
    asked = orjson.loads(sys.argv[1])
    firehose = Firehose(
        asked["accounts"], asked["fills"], with_states=asked["states"], lists_per_s=asked["lists_per_s"]
    )
    # What was made above stays to the end: the collector need not look at it again and again.
    gc.freeze()
    web.run_app(firehose.application(), host="127.0.0.1", port=asked["port"], print=None, access_log=None)


if __name__ == "__main__":
    main()
