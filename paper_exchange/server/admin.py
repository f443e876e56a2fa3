"""The administration of a paper exchange, on a port of its own and behind a token. Nothing of this is Bybit's.

`POST /admin/trade {"orders": [{"account", "symbol", "side", "qty", "order_link_id"?, "reduce_only"?}, ...]}` is a
generator of load. Each market order is executed whole, in the order given, as if the account's client had sent it, and
its execution, order, position and wallet frames are published at once; executions of one match share a message. It
answers `{"executions": n, "orders": [order id, or null when refused], "refused": [{"index", "code", "text"}]}`, and 400
with a sentence, nothing done, for a body that cannot be read. Such orders

- take neither part in the lockstep nor wait for a bar: a paused market trades as well, and while it stands still all
  executions carry its time;
- are in the journal before they are published and in the state's inputs before they are executed, so they survive
  `kill -9` as a client's do. A call that is cut off has executed some first part of its orders: repeat it with the same
  `order_link_id`s, and those that are there already are refused with 110072.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from alpha.domain.clock import to_ms
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused
from paper_exchange.faults.script import ScriptInvalid, read_script
from paper_exchange.server.admin_clock import AdminClock
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.faults import Faults
from paper_exchange.server.load import read_orders, trade
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.rest import ROUTES
from paper_exchange.server.wire_text import number

TOKEN_HEADER = "X-Admin-Token"

_WITHIN_BARS = 100
_LARGEST_BODY = 1 << 22

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """What the engine did, and a hand on the market's clock and on the sockets."""

    def __init__(
        self,
        exchange: Exchange,
        loop: MarketLoop,
        private: PrivateStream,
        broadcast: Broadcast,
        clock: AdminClock,
        faults: Faults,
        *,
        token: str,
    ) -> None:
        self._exchange = exchange
        self._loop = loop
        self._private = private
        self._broadcast = broadcast
        self._clock = clock
        self._faults = faults
        self._token = token

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded], client_max_size=_LARGEST_BODY)
        app.router.add_get("/admin/state", self._state)
        app.router.add_post("/admin/pause", self._pause)
        app.router.add_post("/admin/run", self._run)
        app.router.add_post("/admin/resume", self._resume)
        self._clock.add_to(app, self._present)
        app.router.add_post("/admin/drop-sockets", self._drop_sockets)
        app.router.add_post("/admin/trade", self._trade)
        app.router.add_post("/admin/faults", self._arm_faults)
        app.router.add_get("/admin/faults", self._report_faults)
        app.router.add_delete("/admin/faults", self._end_faults)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _problem(HTTPStatus.UNAUTHORIZED, f"{TOKEN_HEADER} is missing or wrong")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _problem(HTTPStatus(error.status), error.reason)
        except Refused as refused:
            return _problem(HTTPStatus.BAD_REQUEST, refused.text)
        except ScriptInvalid as error:
            return _problem(HTTPStatus.BAD_REQUEST, str(error))

    async def _state(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response(self._present())

    async def _pause(self, request: web.Request) -> web.Response:
        body = await _body(request)
        when, within = body.get("when_position_open", False), body.get("within_bars", _WITHIN_BARS)
        if not isinstance(when, bool) or not isinstance(within, int):
            raise web.HTTPBadRequest(reason="when_position_open must be true or false, within_bars a whole number")
        await self._loop.pause(when_position_open=when, within_bars=within)
        return web.json_response(self._present())

    async def _run(self, request: web.Request) -> web.Response:
        bars = (await _body(request)).get("bars")
        if not isinstance(bars, int) or bars < 1:
            raise web.HTTPBadRequest(reason="bars must be a whole number of at least 1")
        await self._loop.run_bars(bars)
        return web.json_response(self._present())

    async def _resume(self, request: web.Request) -> web.Response:  # noqa: ARG002
        self._loop.resume()
        return web.json_response(self._present())

    async def _drop_sockets(self, request: web.Request) -> web.Response:
        name = (await _body(request)).get("account")
        account = None
        if name is not None:
            account = self._exchange.accounts.with_name(str(name))
            if account is None:
                raise web.HTTPNotFound(reason="there is no account of this name")
        return web.json_response({"dropped": self._private.drop(account)})

    async def _trade(self, request: web.Request) -> web.Response:
        # Numbers are kept as they were written: a quantity must not pass through a float.
        body = await _body(request, parse_float=str)
        orders = read_orders(self._exchange, body.get("orders"))
        return web.json_response(await trade(self._exchange, self._broadcast, orders))

    async def _arm_faults(self, request: web.Request) -> web.Response:
        accounts = {account.name for account in self._exchange.accounts.all}
        script = read_script(await _body(request), accounts=accounts, paths={route.path for route in ROUTES})
        return web.json_response({"faults": self._faults.arm(script, self._private)})

    async def _report_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response(self._faults.report())

    async def _end_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        self._faults.end_all(self._private)
        return web.json_response(self._faults.report())

    def _present(self) -> dict[str, Any]:
        accounts = {account.name: self._account(account) for account in self._exchange.accounts.all}
        return {
            "market_time": to_ms(self._exchange.now),
            "bars": self._exchange.steps,
            "bars_waited": self._loop.bars_waited,
            "bars_timed_out": self._loop.bars_timed_out,
            "speed": self._loop.speed,
            "waiting_for": self._clock.waiting_for(),
            "paused": self._loop.paused,
            "ended": self._loop.ended,
            "private_sockets": self._private.sockets,
            "orders": sum(account["orders"] for account in accounts.values()),
            "executions": sum(account["executions"] for account in accounts.values()),
            "open_positions": sum(len(account["positions"]) for account in accounts.values()),
            "accounts": accounts,
        }

    def _account(self, account: ExchangeAccount) -> dict[str, Any]:
        engine = self._exchange.engine
        return {
            "uid": account.uid,
            "executions": len(engine.executions(account.uid)),
            "orders": len(engine.orders(account.uid, open_only=False)),
            "positions": [
                {"symbol": position.symbol, "side": position.side.value, "size": number(position.size)}
                for position in engine.positions(account.uid)
                if position.side is not None
            ],
            "sockets": self._private.topics_of(account),
            "balance": number(engine.wallet(account.uid).balance),
        }


async def _body(request: web.Request, *, parse_float: Callable[[str], object] = float) -> dict[str, Any]:
    content = await request.read()
    try:
        body = json.loads(content, parse_float=parse_float) if content else {}
    except ValueError as error:
        raise web.HTTPBadRequest(reason="the body is not JSON") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body must be a JSON object")
    return body


def _problem(status: HTTPStatus, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
