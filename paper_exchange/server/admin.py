"""The administration of a paper exchange, on a port of its own and behind a token. Nothing of this is Bybit's."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from alpha.domain.clock import to_ms
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.wire_text import number

TOKEN_HEADER = "X-Admin-Token"

_WITHIN_BARS = 100

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """What the engine did, and a hand on the market's clock and on the sockets."""

    def __init__(self, exchange: Exchange, loop: MarketLoop, private: PrivateStream, *, token: str) -> None:
        self._exchange = exchange
        self._loop = loop
        self._private = private
        self._token = token

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/admin/state", self._state)
        app.router.add_post("/admin/pause", self._pause)
        app.router.add_post("/admin/run", self._run)
        app.router.add_post("/admin/resume", self._resume)
        app.router.add_post("/admin/drop-sockets", self._drop_sockets)
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

    def _present(self) -> dict[str, Any]:
        accounts = {account.name: self._account(account) for account in self._exchange.accounts.all}
        return {
            "market_time": to_ms(self._exchange.now),
            "bars": self._exchange.steps,
            "bars_waited": self._loop.bars_waited,
            "bars_timed_out": self._loop.bars_timed_out,
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


async def _body(request: web.Request) -> dict[str, Any]:
    content = await request.read()
    try:
        body = json.loads(content) if content else {}
    except ValueError as error:
        raise web.HTTPBadRequest(reason="the body is not JSON") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body must be a JSON object")
    return body


def _problem(status: HTTPStatus, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
