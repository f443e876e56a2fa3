"""The part of the administration that has to do with time: speed, steps, lockstep, and states to come back to.

| Request | What it does |
|---|---|
| `POST /admin/speed` `{"speed": 60}` | Market seconds per second from now on. |
| `POST /admin/step` `{"steps": 5}` | So many steps at once, without the schedule; the market then stands still. |
| `POST /admin/set-time` `{"market_time": ms}` | Steps at once to the first that ends then or later; then as above. |
| `POST /admin/forget-bot` `{"bot": "canary_001"}` | The lockstep waits for it no more. |
| `POST /admin/save` `{"name": "before-news"}` | Keeps what the exchange is now under that name, in `--state`. |
| `POST /admin/restore` `{"name": "before-news"}` | It is again what was saved. Private sockets are cut. |

A market does not go back in time but by `restore`; its books then begin anew with u = 1. A live one goes neither back
nor ahead: its clock is not ours.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from alpha.domain.clock import from_ms
from alpha.domain.errors import AlphaError
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_loop import MarketLoop

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LATEST_MS = 32_503_680_000_000
"""The year 3000: later than any market, and within what a time can be."""


class AdminClock:
    """Answers with the state of the exchange as `GET /admin/state` gives it."""

    def __init__(
        self, exchange: Exchange, loop: MarketLoop, broadcast: Broadcast, lockstep: Lockstep, *, is_live: bool
    ) -> None:
        self._exchange = exchange
        self._loop = loop
        self._broadcast = broadcast
        self._lockstep = lockstep
        self._is_live = is_live
        self._present: Callable[[], Mapping[str, Any]] = dict

    def add_to(self, app: web.Application, present: Callable[[], Mapping[str, Any]]) -> None:
        self._present = present
        for name, work in (
            ("speed", self._speed),
            ("step", self._step),
            ("set-time", self._set_time),
            ("forget-bot", self._forget_bot),
            ("save", self._save),
            ("restore", self._restore),
        ):
            app.router.add_post(f"/admin/{name}", self._answering(work))

    def waiting_for(self) -> list[str]:
        """The bots that the market waits for."""
        return self._lockstep.waiting_for()

    def _answering(
        self, work: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            await work(await _body(request))
            return web.json_response(self._present())

        return answer

    async def _speed(self, body: dict[str, Any]) -> None:
        speed = body.get("speed")
        if not isinstance(speed, int | float) or isinstance(speed, bool) or not 0 < speed < math.inf:
            raise web.HTTPBadRequest(reason="speed must be a number above 0")
        self._loop.set_speed(float(speed))

    async def _step(self, body: dict[str, Any]) -> None:
        steps = body.get("steps", 1)
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise web.HTTPBadRequest(reason="steps must be a whole number of at least 1")
        await self._loop.run_bars(steps, at_once=True)

    async def _set_time(self, body: dict[str, Any]) -> None:
        at_ms = body.get("market_time")
        if not isinstance(at_ms, int) or isinstance(at_ms, bool) or not 0 <= at_ms <= _LATEST_MS:
            raise web.HTTPBadRequest(reason="market_time must be milliseconds since 1970")
        self._refuse_when_live()
        time = from_ms(at_ms)
        if time < self._exchange.now:
            raise web.HTTPBadRequest(reason="a market does not go back; restore a state that was saved before")
        await self._loop.run_until(time)

    async def _forget_bot(self, body: dict[str, Any]) -> None:
        if not self._lockstep.forget(str(body.get("bot", ""))):
            raise web.HTTPNotFound(reason="there is no bot of this name")

    async def _save(self, body: dict[str, Any]) -> None:
        try:
            self._exchange.save(_name(body))
        except AlphaError as error:
            raise _refused(error) from error

    async def _restore(self, body: dict[str, Any]) -> None:
        self._refuse_when_live()
        name = _name(body)
        was_paused = self._loop.paused
        await self._loop.pause(when_position_open=False, within_bars=0)
        try:
            self._exchange.return_to(name)
            self._lockstep.begin_again()
        except AlphaError as error:
            raise _refused(error) from error
        finally:
            if not was_paused:
                self._loop.resume()
        self._loop.ended = False
        self._broadcast.anew()

    def _refuse_when_live(self) -> None:
        if self._is_live:
            raise web.HTTPBadRequest(reason="this market's clock is that of another exchange")


def _refused(error: AlphaError) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(reason=" ".join(str(error).split()))


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise web.HTTPBadRequest(reason="name must be of 1 to 64 letters, digits, - and _")
    return name


async def _body(request: web.Request) -> dict[str, Any]:
    content = await request.read()
    try:
        body = json.loads(content) if content else {}
    except ValueError as error:
        raise web.HTTPBadRequest(reason="the body is not JSON") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body must be a JSON object")
    return body
