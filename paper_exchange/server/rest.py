"""The REST side: from an HTTP request to a route and back, with Bybit's envelope around everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
import orjson
import structlog
from aiohttp import web

from alpha.domain.clock import to_ms
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused
from paper_exchange.faults.requests import AnsweredInstead, ConnectionCut
from paper_exchange.line_file import Unwritable
from paper_exchange.server import (
    routes_account,
    routes_asset,
    routes_batches,
    routes_closed_pnl,
    routes_market,
    routes_order_lists,
    routes_orders,
    routes_positions,
)
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.envelope import answer, refusal
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.faults import Faults
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.params import BAD_PARAMETER, Params
from paper_exchange.server.rate_limits import RateLimits
from paper_exchange.server.rest_guard import LIMIT_HEADERS, RestGuard
from paper_exchange.server.routes import BatchResult, PrivateRoute, PublicRoute, Result, Route
from paper_exchange.server.signature import HeadersMissing, authenticated
from paper_exchange.server.wall_clock import WallClock

log = structlog.get_logger()

MARKET_TIME_HEADER = "X-Alpha-Market-Time"
ROUTES: tuple[Route, ...] = (
    *routes_market.ROUTES,
    *routes_orders.ROUTES,
    *routes_batches.ROUTES,
    *routes_order_lists.ROUTES,
    *routes_positions.ROUTES,
    *routes_closed_pnl.ROUTES,
    *routes_account.ROUTES,
    *routes_asset.ROUTES,
)

_SERVER_ERROR = 10016
_NO_ROUTE = 10017
_BAD_KEY = 10003

_LONGEST_TEXT = 2_000
"""A client's text comes back in some refusals; a megabyte of it need not."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """Serves every route of ROUTES, and the lockstep of the bots, which is not Bybit's."""

    def __init__(
        self,
        exchange: Exchange,
        broadcast: Broadcast,
        lockstep: Lockstep,
        clock: WallClock,
        *,
        limits: RateLimits | None = None,
        faults: Faults | None = None,
    ) -> None:
        """`limits` are in force from the start and for ever."""
        self._exchange = exchange
        self._broadcast = broadcast
        self._lockstep = lockstep
        self._clock = clock
        self._guard = RestGuard(clock, limits, faults)
        self._faults = faults
        self.failures = 0
        """Requests that met an error of ours."""

    def add_to(self, app: web.Application) -> None:
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._handler(route))
        app.router.add_post("/paper/lockstep", self._handle_lockstep)
        app.middlewares.append(self._enveloped)

    @web.middleware
    async def _enveloped(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every way a request can end becomes Bybit's form."""
        response = await self._ended(request, handler)
        if LIMIT_HEADERS in request:
            response.headers.update(request[LIMIT_HEADERS])
        return response

    async def _ended(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path.startswith("/v5/"):
                self._guard.check_maintenance()
            return await handler(request)
        except AnsweredInstead as fault:
            return self._guard.instead(fault.answer, request.path)
        except ConnectionCut:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except HeadersMissing as error:
            return self._refuse(error.code, error.text, HTTPStatus.UNAUTHORIZED)
        except Refused as error:
            return self._refuse(error.code, error.text)
        except web.HTTPException as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                text = f"Request path or method not found: {request.method} {request.path}"
                return self._refuse(_NO_ROUTE, text, HTTPStatus.NOT_FOUND)
            return self._refuse(BAD_PARAMETER, error.reason, HTTPStatus(error.status))
        except web.RequestPayloadError:
            # A body that is not what its headers say: chunks or a compression that do not add up.
            response = self._refuse(BAD_PARAMETER, "params error: the body cannot be read", HTTPStatus.BAD_REQUEST)
            response.force_close()
            return response
        except ConnectionError:
            # The client went away in the middle of its request.
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        except Unwritable as error:
            self.failures += 1
            log.error("request_not_kept", method=request.method, path=request.path, reason=str(error))
            return self._refuse(_SERVER_ERROR, "Internal System Error.")
        except Exception:
            self.failures += 1
            log.exception("request_failed", method=request.method, path=request.path)
            if request.writer.output_size > 0:
                # A socket whose handshake is over: it can only be cut.
                raise ConnectionError("the answer was begun already") from None
            return self._refuse(_SERVER_ERROR, "Internal System Error.")

    def _handler(self, route: Route) -> Handler:
        return self._public(route) if isinstance(route, PublicRoute) else self._private_handler(route)

    def _public(self, route: PublicRoute) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._guard.admit(request)
            values = _json_object(await request.read()) if route.method == "POST" else request.rel_url.query
            work = partial(route.handler, self._exchange, Params(values))
            return await self._perform(route, None, values, work)

        return handle

    def _private_handler(self, route: PrivateRoute) -> Handler:
        is_post = route.method == "POST"

        async def handle(request: web.Request) -> web.StreamResponse:
            self._guard.admit(request)
            # Signed is what was received, byte for byte: clients order and encode parameters in their own ways.
            signed = await request.read() if is_post else _raw_query(request)
            account = authenticated(request.headers, signed, self._exchange.accounts, self._clock.now_ms())
            values = _json_object(signed) if is_post else request.rel_url.query
            params = Params(values)
            units = params.count_of(route.items) if route.items else 1
            granted = self._guard.allow(request, account, units)
            if granted < units:
                params.admitted = granted
            work = partial(route.handler, self._exchange, account, params)
            return await self._perform(route, account, values, work)

        return handle

    async def _perform(
        self,
        route: Route,
        account: ExchangeAccount | None,
        values: Mapping[str, Any],
        work: Callable[[], Result | BatchResult],
    ) -> web.Response:
        """Does what was asked, with whatever faults the request meets before and after."""
        meets = None
        if self._faults is not None and self._faults.are_armed:
            subject = str(values.get("orderLinkId", ""))
            meets = self._faults.requests.of(route.path, None if account is None else account.name, subject)
            meets.before()
        try:
            content = self._answer(work(), route.message)
        except Refused as error:
            content = refusal(error.code, error.text[:_LONGEST_TEXT], self._clock.now_ms())
        finally:
            self._broadcast.soon()
        if meets is not None:
            await asyncio.sleep(meets.after(content, is_get=route.method == "GET"))
        return self._respond(content)

    def _answer(self, result: Result | BatchResult, message: str) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        if isinstance(result, BatchResult):
            return answer({"list": result.rows}, now_ms, message=message, extra={"list": result.outcomes})
        return answer(result, now_ms, message=message)

    async def _handle_lockstep(self, request: web.Request) -> web.StreamResponse:
        account = self._exchange.accounts.with_key(request.headers.get("X-BAPI-API-KEY", ""))
        if account is None:
            raise Refused(_BAD_KEY, "API key is invalid.")
        body = _json_object(await request.read())
        bot, executions, done = body.get("bot"), body.get("executions") or [], body.get("done")
        if not isinstance(bot, str) or not bot or not isinstance(executions, list):
            raise Refused(BAD_PARAMETER, "params error: bot and executions are required")
        if done is not None and not isinstance(done, int):
            raise Refused(BAD_PARAMETER, "params error: done must be milliseconds or null")
        self._lockstep.hear(bot, account.uid, [str(exec_id) for exec_id in executions], done)
        return self._respond(answer({}, self._clock.now_ms()))

    def _refuse(self, code: int, text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        return self._respond(refusal(code, text[:_LONGEST_TEXT], self._clock.now_ms()), status)

    def _respond(self, content: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
        return web.Response(
            body=orjson.dumps(content),
            status=status,
            content_type="application/json",
            headers={MARKET_TIME_HEADER: str(to_ms(self._exchange.now))},
        )


def _raw_query(request: web.Request) -> bytes:
    # The parser keeps bytes that are no UTF-8 as surrogates.
    return request.message.path.partition("?")[2].encode("utf-8", "surrogateescape")


# Numbers are kept as they were written: a quantity must not pass through a float.
_decode = msgspec.json.Decoder(float_hook=str).decode


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        content = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(BAD_PARAMETER, "params error: the body is not JSON") from error
    if not isinstance(content, dict):
        raise Refused(BAD_PARAMETER, "params error: the body must be a JSON object")
    return content
