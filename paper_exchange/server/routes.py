"""Every path the exchange answers, and what stands around each of them: signature, parameters, envelope, errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiohttp import web

from alpha.domain.clock import to_ms
from paper_exchange.engine import Refused
from paper_exchange.server.auth import KeyRing
from paper_exchange.server.envelope import answer, refusal, wall_ms
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_view import MarketView
from paper_exchange.server.params import Params
from paper_exchange.server.publishing import Publisher
from paper_exchange.server.routes_account import AccountRoutes
from paper_exchange.server.routes_market import MarketRoutes
from paper_exchange.server.routes_trade import TradeRoutes
from paper_exchange.server.sockets import Hub

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """Wires paths to the functions behind them."""

    def __init__(
        self,
        exchange: PaperExchange,
        view: MarketView,
        publisher: Publisher,
        keys: KeyRing,
        hub: Hub,
        lockstep: Lockstep | None,
    ) -> None:
        self._exchange, self._publisher, self._keys, self._hub, self._lockstep = (
            exchange,
            publisher,
            keys,
            hub,
            lockstep,
        )
        market, trade, account = MarketRoutes(exchange, view), TradeRoutes(exchange), AccountRoutes(exchange)
        self._open: dict[str, Callable[[Params], dict[str, Any]]] = {
            "/v5/market/time": market.time,
            "/v5/market/kline": market.kline,
            "/v5/market/instruments-info": market.instruments,
            "/v5/market/tickers": market.tickers,
            "/v5/market/funding/history": market.funding_history,
        }
        self._get: dict[str, Callable[[int, Params], dict[str, Any]]] = {
            "/v5/order/realtime": trade.realtime,
            "/v5/order/history": trade.history,
            "/v5/execution/list": trade.executions,
            "/v5/position/list": account.positions,
            "/v5/account/wallet-balance": account.wallet_balance,
            "/v5/account/info": account.information,
            "/v5/account/fee-rate": account.fee_rates,
            "/v5/account/transaction-log": account.transaction_log,
            "/v5/user/query-api": account.key_information,
        }
        self._post: dict[str, Callable[[int, Params], dict[str, Any]]] = {
            "/v5/order/create": trade.create,
            "/v5/order/amend": trade.amend,
            "/v5/order/cancel": trade.cancel,
            "/v5/order/cancel-all": trade.cancel_all,
            "/v5/position/set-leverage": account.set_leverage,
            "/v5/position/switch-mode": account.switch_mode,
            "/v5/position/trading-stop": account.trading_stop,
        }

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._never_fail], client_max_size=1 << 20)
        router = application.router
        for path in self._open:
            router.add_get(path, self._market)
        for path in self._get:
            router.add_get(path, self._signed_get)
        for path in self._post:
            router.add_post(path, self._signed_post)
        router.add_post("/paper/lockstep", self._hear)
        router.add_get("/healthz", self._health)
        router.add_get("/v5/private", self._hub.serve_private)
        router.add_get("/v5/public/linear", self._hub.serve_public)
        return application

    @property
    def _market_ms(self) -> int:
        return to_ms(self._exchange.now)

    @web.middleware
    async def _never_fail(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every error in Bybit's form. An error of ours is told as Bybit's 10016 and logged with its traceback."""
        try:
            return await handler(request)
        except Refused as refused:
            return refusal(refused, market_ms=self._market_ms)
        except web.HTTPNotFound:
            return web.json_response({"retCode": 10017, "retMsg": "Route not found.", "result": {}}, status=404)
        except web.HTTPException as error:
            return web.json_response({"retCode": 10001, "retMsg": error.reason, "result": {}}, status=error.status)
        except Exception:
            log.exception("request_failed", path=request.path)
            return refusal(Refused(10016, "Internal System Error."), market_ms=self._market_ms)

    async def _market(self, request: web.Request) -> web.Response:
        result = self._open[request.path](Params(request.query))
        return answer(result, market_ms=self._market_ms)

    async def _signed_get(self, request: web.Request) -> web.Response:
        # The raw query as it was received: clients sort and encode in their own ways, and sign what they send.
        account = self._keys.of_request(request.headers, request.rel_url.raw_query_string, wall_ms())
        return answer(self._get[request.path](account.uid, Params(request.query)), market_ms=self._market_ms)

    async def _signed_post(self, request: web.Request) -> web.Response:
        body = await request.text()
        account = self._keys.of_request(request.headers, body, wall_ms())
        result = self._post[request.path](account.uid, Params(_object(body)))
        self._publisher.publish_events(self._exchange.take_events())
        return answer(result, market_ms=self._market_ms)

    async def _hear(self, request: web.Request) -> web.Response:
        account = self._keys.of_key(request.headers.get("X-BAPI-API-KEY", ""))
        body = _object(await request.text())
        bot, seen, done = body.get("bot"), body.get("executions", []), body.get("done")
        if not isinstance(bot, str) or not isinstance(seen, list) or not isinstance(done, int | None):
            raise Refused(10001, "params error: bot, executions or done invalid")
        if self._lockstep is not None:
            self._lockstep.heard(bot, account.uid, (str(exec_id) for exec_id in seen), done)
        return answer({}, market_ms=self._market_ms)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True, "market_time": self._market_ms, "bars": self._exchange.steps})


def _object(body: str) -> dict[str, Any]:
    try:
        content = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        raise Refused(10001, "params error: the body is not JSON") from None
    if not isinstance(content, dict):
        raise Refused(10001, "params error: the body is not a JSON object")
    return content
