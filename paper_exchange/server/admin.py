"""The administration of a paper exchange: its clock, its counts, its faults. A port of its own, with a token."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from aiohttp import web

from alpha.domain.clock import to_ms
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.market_loop import MarketLoop
from paper_exchange.server.render import text
from paper_exchange.server.sockets import Hub

_DEFAULT_WITHIN_BARS = 1000


class Admin:
    """`GET /admin/state`, `POST /admin/pause`, `/admin/resume`, `/admin/drop-sockets`."""

    def __init__(self, exchange: PaperExchange, loop: MarketLoop, hub: Hub, token: str) -> None:
        self._exchange, self._loop, self._hub, self._token = exchange, loop, hub, token

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._authorized])
        application.router.add_get("/admin/state", self._show)
        application.router.add_post("/admin/pause", self._pause)
        application.router.add_post("/admin/resume", self._resume)
        application.router.add_post("/admin/drop-sockets", self._drop_sockets)
        return application

    @web.middleware
    async def _authorized(self, request: web.Request, handler: Any) -> web.StreamResponse:
        told = request.headers.get("X-Admin-Token", "")
        if not hmac.compare_digest(told.encode(), self._token.encode()):
            return web.json_response({"error": "X-Admin-Token is missing or wrong"}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _show(self, _: web.Request) -> web.Response:
        return self._state()

    async def _pause(self, request: web.Request) -> web.Response:
        body = await _body(request)
        within = body.get("within_bars", _DEFAULT_WITHIN_BARS)
        if not isinstance(within, int) or within < 0:
            return web.json_response({"error": "within_bars must be a whole number from 0"}, status=400)
        await self._loop.pause(when_position_open=bool(body.get("when_position_open", False)), within_bars=within)
        return self._state()

    async def _resume(self, _: web.Request) -> web.Response:
        self._loop.resume()
        return self._state()

    async def _drop_sockets(self, request: web.Request) -> web.Response:
        name = (await _body(request)).get("account")
        uids = {account.name: uid for uid, account in self._exchange.accounts.items()}
        if name is not None and name not in uids:
            return web.json_response({"error": f"no account {name}; there are {', '.join(uids)}"}, status=400)
        return web.json_response({"dropped": self._hub.drop_private(None if name is None else uids[name])})

    def _state(self) -> web.Response:
        exchange, loop = self._exchange, self._loop
        accounts = {account.name: self._account(uid) for uid, account in exchange.accounts.items()}
        state = {
            "market_time": to_ms(exchange.now),
            "bars": exchange.steps,
            "bars_waited": loop.bars_waited,
            "bars_timed_out": loop.bars_timed_out,
            "paused": loop.paused,
            "ended": loop.ended,
            "orders": exchange.orders,
            "executions": exchange.executions,
            "open_positions": sum(len(account["positions"]) for account in accounts.values()),
            "accounts": accounts,
        }
        return web.Response(body=orjson.dumps(state), content_type="application/json")

    def _account(self, uid: int) -> dict[str, Any]:
        engine = self._exchange.engine
        return {
            "uid": uid,
            "executions": len(engine.executions(uid)),
            "orders": len(engine.orders(uid, open_only=False)),
            "balance": text(engine.wallet(uid).balance),
            "positions": [
                {"symbol": state.symbol, "side": state.side.value, "size": text(state.size)}
                for state in engine.positions(uid)
                if state.side is not None
            ],
        }


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        content = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        content = {}
    return content if isinstance(content, dict) else {}
