"""Orders over a WebSocket (https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline).

An operation is the REST route of the same meaning: same arguments, same refusals, same effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import web

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import Refused
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import Params
from paper_exchange.server.rate_limits import (
    PER_SECOND,
    TOO_MANY_VISITS,
    TOO_MANY_VISITS_TEXT,
    Allowance,
    RateLimits,
)
from paper_exchange.server.rest import ROUTES
from paper_exchange.server.routes import BatchResult, PrivateRoute
from paper_exchange.server.signature import authenticated_socket
from paper_exchange.server.sockets import Keeping, Socket, serve
from paper_exchange.server.wall_clock import WallClock

log = structlog.get_logger()

OPERATIONS: Mapping[str, str] = {
    "order.create": "/v5/order/create",
    "order.amend": "/v5/order/amend",
    "order.cancel": "/v5/order/cancel",
    "order.create-batch": "/v5/order/create-batch",
    "order.amend-batch": "/v5/order/amend-batch",
    "order.cancel-batch": "/v5/order/cancel-batch",
}
"""What can be asked, and the path of the REST route that answers."""

_BAD_PARAMETER = 10001
_BAD_TIMESTAMP = 10002
_BAD_SIGNATURE = 10004
_NOT_PERMITTED = 10005
_SERVER_ERROR = 10016
_NO_SUCH_OPERATION = 10404
_AUTHENTICATED_BEFORE = 20001
_REPEATED = 20006

_DEFAULT_WINDOW_MS = 5_000
_AHEAD_MS = 1_000
_LONGEST_ID = 36
_IDS_KEPT = 10_000


class TradeStream:
    """All sockets that orders come by. A request is answered when it was taken in; fills come on the private stream."""

    def __init__(
        self,
        exchange: Exchange,
        broadcast: Broadcast,
        clock: WallClock,
        keeping: Keeping,
        limits: RateLimits | None = None,
    ) -> None:
        """`limits` are those of REST: an account has them once, whichever way it asks (UNCONFIRMED)."""
        self._limits = limits
        self._exchange = exchange
        self._broadcast = broadcast
        self._clock = clock
        self._keeping = keeping
        private = {route.path: route for route in ROUTES if isinstance(route, PrivateRoute)}
        self._routes = {operation: private[path] for operation, path in OPERATIONS.items() if path in private}
        self._owner: dict[Socket, ExchangeAccount] = {}
        self._asked: dict[Socket, dict[str, None]] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/v5/trade", self._serve)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        return await serve(request, self._keeping, _opened, self._forget, self._on_frame)

    def _forget(self, socket: Socket) -> None:
        self._owner.pop(socket, None)
        self._asked.pop(socket, None)

    def _on_frame(self, socket: Socket, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "auth":
                self._authenticate(socket, frame)
            case "ping":
                now = str(self._clock.now_ms())
                pong = {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [now], "connId": socket.conn_id}
                socket.send_json(pong)
            case operation:
                socket.send_json(self._answered(socket, frame, operation))

    def _authenticate(self, socket: Socket, frame: dict[str, Any]) -> None:
        code, text = 0, "OK"
        if socket in self._owner:
            code, text = _AUTHENTICATED_BEFORE, "Repeat auth"
        else:
            account = authenticated_socket(frame.get("args"), self._exchange.accounts, self._clock.now_ms())
            if account is None:
                code, text = _BAD_SIGNATURE, "Invalid sign"
            else:
                self._owner[socket] = account
                log.info("trade_stream_open", account=account.name, conn_id=socket.conn_id)
        found = {"reqId": _id_of(frame)} if _id_of(frame) else {}
        answer = {**found, "retCode": code, "retMsg": text, "op": "auth", "connId": socket.conn_id}
        socket.acknowledge(lambda: socket.send_json(answer))

    def _answered(self, socket: Socket, frame: dict[str, Any], operation: object) -> dict[str, Any]:
        route = self._routes.get(operation) if isinstance(operation, str) else None
        data: Mapping[str, Any] = {}
        extra: Mapping[str, Any] = {}
        allowance: Allowance | None = None
        code, text = 0, "OK"
        try:
            known, account, params = self._checked(socket, frame, route)
            allowance = self._allow(account, known, params)
            data, extra = self._done(account, known, params)
        except _LimitReached as reached:
            allowance = reached.allowance
            code, text = reached.code, reached.text
        except Refused as refused:
            code, text = refused.code, refused.text
        except Exception:
            log.exception("request_failed", operation=str(operation))
            code, text = _SERVER_ERROR, "Internal System Error."
        finally:
            self._broadcast.soon()
        found = {"reqId": _id_of(frame)} if _id_of(frame) else {}
        return {
            **found,
            "retCode": code,
            "retMsg": text,
            "op": "" if operation is None else str(operation),
            "data": data,
            "retExtInfo": extra,
            "header": self._header("" if route is None else route.path, allowance),
            "connId": socket.conn_id,
        }

    def _checked(
        self, socket: Socket, frame: dict[str, Any], route: PrivateRoute | None
    ) -> tuple[PrivateRoute, ExchangeAccount, Params]:
        """What is asked, by whom and with what. Raises Refused."""
        if route is None:
            raise Refused(_NO_SUCH_OPERATION, "op type is not found or category is not supported")
        account = self._owner.get(socket)
        if account is None:
            raise Refused(_NOT_PERMITTED, "Permission denied: auth comes first")
        self._check_header(frame.get("header"))
        arguments = frame.get("args")
        if not isinstance(arguments, list) or len(arguments) != 1 or not isinstance(arguments[0], dict):
            raise Refused(_BAD_PARAMETER, "params error: args must hold one object")
        self._check_id(socket, _id_of(frame))
        return route, account, Params(arguments[0])

    def _allow(self, account: ExchangeAccount, route: PrivateRoute, params: Params) -> Allowance | None:
        """What is left to the account, None without limits; of a batch no more pass than that. Raises _LimitReached."""
        if self._limits is None:
            return None
        units = params.count_of(route.items) if route.items else 1
        allowance = self._limits.take(account.uid, route.path, asyncio.get_running_loop().time(), units)
        if allowance is None:
            return None
        if allowance.exceeded:
            raise _LimitReached(allowance)
        if allowance.taken < units:
            params.admitted = allowance.taken
        return allowance

    def _done(
        self, account: ExchangeAccount, route: PrivateRoute, params: Params
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Data and retExtInfo of the answer. Raises Refused."""
        result = route.handler(self._exchange, account, params)
        if isinstance(result, BatchResult):
            return {"list": result.rows}, {"list": result.outcomes}
        return result, {}

    def _check_header(self, header: object) -> None:
        values = header if isinstance(header, dict) else {}
        timestamp, window = str(values.get("X-BAPI-TIMESTAMP", "")), str(values.get("X-BAPI-RECV-WINDOW", ""))
        if not _is_ms(timestamp) or (window and not _is_ms(window)):
            raise Refused(_BAD_PARAMETER, "params error: X-BAPI-TIMESTAMP invalid")
        now, reach = self._clock.now_ms(), int(window) if window else _DEFAULT_WINDOW_MS
        if not now - reach <= int(timestamp) < now + _AHEAD_MS:
            raise Refused(_BAD_TIMESTAMP, "invalid request, please check your timestamp or recv_window param")

    def _check_id(self, socket: Socket, req_id: str) -> None:
        """One that was used on the connection lately is refused; none at all is nothing to compare."""
        if len(req_id) > _LONGEST_ID:
            raise Refused(_BAD_PARAMETER, f"params error: reqId of more than {_LONGEST_ID} characters")
        asked = self._asked.setdefault(socket, {})
        if req_id in asked:
            raise Refused(_REPEATED, "Duplicate reqId")
        if req_id:
            asked[req_id] = None
            if len(asked) > _IDS_KEPT:
                del asked[next(iter(asked))]

    def _header(self, path: str, allowance: Allowance | None) -> dict[str, str]:
        """Without limits they are told all the same, as nobody had used any of them."""
        now_ms = self._clock.now_ms()
        if allowance is None:
            limit = PER_SECOND.get(path, 10)
            allowance = Allowance(limit, limit, 0, exceeded=False)
        return {**allowance.headers(now_ms), "Traceid": uuid4().hex, "Timenow": str(now_ms)}


class _LimitReached(Refused):
    """The account asks too often; `allowance` says until when."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(TOO_MANY_VISITS, TOO_MANY_VISITS_TEXT)
        self.allowance = allowance


def _opened(socket: Socket) -> None:
    """Nothing: a trade socket is known from its authentication on."""


def _id_of(frame: Mapping[str, Any]) -> str:
    found = frame.get("reqId", frame.get("req_id"))
    return "" if found is None else str(found)


def _is_ms(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15
