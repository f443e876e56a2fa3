"""The REST side: from an HTTP request to a route and back, with Bybit's envelope around everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import orjson
import structlog

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
from paper_exchange.server.http_message import Answer, Request
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.params import BAD_PARAMETER, Params
from paper_exchange.server.rate_limits import RateLimits
from paper_exchange.server.rest_guard import RestGuard
from paper_exchange.server.routes import BatchResult, PrivateRoute, PublicRoute, Result, Route
from paper_exchange.server.signature import HeadersMissing, TimeRefused, authenticated
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

Handler = Callable[[Request], Answer]


class Rest:
    """Serves every route of ROUTES, and the lockstep of the bots and the health of the exchange, which are not Bybit's.

    `health` gives whether all is well, as a JSON object.
    """

    def __init__(
        self,
        exchange: Exchange,
        broadcast: Broadcast,
        lockstep: Lockstep,
        clock: WallClock,
        health: Callable[[], Mapping[str, Any]],
        *,
        limits: RateLimits | None = None,
        faults: Faults | None = None,
    ) -> None:
        """`limits` are in force from the start and for ever."""
        self._exchange = exchange
        self._broadcast = broadcast
        self._lockstep = lockstep
        self._clock = clock
        self._health = health
        self._guard = RestGuard(clock, limits, faults)
        self._faults = faults
        self._handlers = {(route.method, route.path): self._handler(route) for route in ROUTES}
        self._handlers["POST", "/paper/lockstep"] = self._handle_lockstep
        self._handlers["GET", "/healthz"] = self._handlers["HEAD", "/healthz"] = self._handle_health

    def answer(self, request: Request) -> Answer | None:
        """Every way a request can end becomes Bybit's form, but for one: None cuts its connection."""
        try:
            answer = self._ended(request)
        except ConnectionCut:
            return None
        if request.limit_headers:
            return msgspec.structs.replace(answer, headers={**answer.headers, **request.limit_headers})
        return answer

    def refuse_socket(self, request: Request) -> Answer | None:
        try:
            self._guard.check_maintenance()
        except AnsweredInstead as fault:
            return self._guard.instead(fault.answer, request.path)
        return None

    def _ended(self, request: Request) -> Answer:
        """Raises ConnectionCut."""
        try:
            if request.path.startswith("/v5/"):
                self._guard.check_maintenance()
            handler = self._handlers.get((request.method, request.path))
            if handler is None:
                text = f"Request path or method not found: {request.method} {request.path}"
                return self._refuse(_NO_ROUTE, text, HTTPStatus.NOT_FOUND)
            return handler(request)
        except ConnectionCut:
            raise
        except AnsweredInstead as fault:
            return self._guard.instead(fault.answer, request.path)
        except HeadersMissing as missing:
            return self._refuse(missing.code, missing.text, HTTPStatus.UNAUTHORIZED)
        except Refused as refused:
            return self._refuse(refused.code, refused.text)
        except Unwritable as unwritable:
            log.error("request_not_kept", method=request.method, path=request.path, reason=str(unwritable))
            return self._refuse(_SERVER_ERROR, "Internal System Error.")
        except Exception:
            log.exception("request_failed", method=request.method, path=request.path)
            return self._refuse(_SERVER_ERROR, "Internal System Error.")

    def _handler(self, route: Route) -> Handler:
        return self._public(route) if isinstance(route, PublicRoute) else self._private_handler(route)

    def _public(self, route: PublicRoute) -> Handler:
        def handle(request: Request) -> Answer:
            self._guard.admit(request)
            values = _values(request, route)
            return self._perform(route, None, values, partial(route.handler, self._exchange, Params(values)))

        return handle

    def _private_handler(self, route: PrivateRoute) -> Handler:
        is_post = route.method == "POST"

        def handle(request: Request) -> Answer:
            self._guard.admit(request)
            # Signed is what was received, byte for byte: clients order and encode parameters in their own ways.
            signed = request.body if is_post else request.query
            try:
                account = authenticated(request.headers, signed, self._exchange.accounts, self._clock.now_ms())
            except TimeRefused:
                if self._faults is not None and self._faults.are_armed:
                    self._faults.requests.came_at_another_time()
                raise
            values = _values(request, route)
            params = Params(values)
            units = params.count_of(route.items) if route.items else 1
            granted = self._guard.allow(request, account, units)
            if granted < units:
                params.admitted = granted
            return self._perform(route, account, values, partial(route.handler, self._exchange, account, params))

        return handle

    def _perform(
        self,
        route: Route,
        account: ExchangeAccount | None,
        values: Mapping[str, Any],
        work: Callable[[], Result | BatchResult],
    ) -> Answer:
        """Does what was asked, with whatever faults the request meets before and after. Raises ConnectionCut."""
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
        late_s = 0.0 if meets is None else meets.after(content, is_get=route.method == "GET")
        return self._respond(content, late_s=late_s)

    def _answer(self, result: Result | BatchResult, message: str) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        if isinstance(result, BatchResult):
            return answer({"list": result.rows}, now_ms, message=message, extra={"list": result.outcomes})
        return answer(result, now_ms, message=message)

    def _handle_lockstep(self, request: Request) -> Answer:
        account = self._exchange.accounts.with_key(request.headers.get("x-bapi-api-key", ""))
        if account is None:
            raise Refused(_BAD_KEY, "API key is invalid.")
        body = _json_object(request.body)
        bot, executions, done = body.get("bot"), body.get("executions") or [], body.get("done")
        if not isinstance(bot, str) or not bot or not isinstance(executions, list):
            raise Refused(BAD_PARAMETER, "params error: bot and executions are required")
        if done is not None and not isinstance(done, int):
            raise Refused(BAD_PARAMETER, "params error: done must be milliseconds or null")
        self._lockstep.hear(bot, account.uid, [str(exec_id) for exec_id in executions], done)
        return self._respond(answer({}, self._clock.now_ms()))

    def _handle_health(self, request: Request) -> Answer:  # noqa: ARG002
        return Answer(body=orjson.dumps(self._health()))

    def _refuse(self, code: int, text: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        return self._respond(refusal(code, text[:_LONGEST_TEXT], self._clock.now_ms()), status)

    def _respond(self, content: Mapping[str, Any], status: int = 200, late_s: float = 0.0) -> Answer:
        headers = {MARKET_TIME_HEADER: str(to_ms(self._exchange.now))}
        return Answer(body=orjson.dumps(content), status=status, headers=headers, late_s=late_s)


def _values(request: Request, route: Route) -> Mapping[str, Any]:
    if route.method == "POST":
        return _json_object(request.body)
    if not request.query:
        return {}
    pairs = parse_qsl(request.query.decode(), keep_blank_values=True)
    # of a parameter that is there twice the first counts
    return dict(reversed(pairs))


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
