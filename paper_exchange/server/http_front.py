"""HTTP below the routes: what cannot even be read as a request is answered in Bybit's form as well."""

from __future__ import annotations

import time
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from paper_exchange.server.envelope import refusal
from paper_exchange.server.params import BAD_PARAMETER

log = structlog.get_logger()

_SERVER_ERROR = 10016


class HttpFront(web.AppRunner):
    """Runs an application whose connections speak Bybit's form from the first byte on."""

    async def _make_server(self) -> web.Server:
        # aiohttp lets nobody choose the class of a connection, so the server it made is made again with ours.
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """The last answer of a connection: a request that is no HTTP, or a fault of ours that nobody caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer was sent already")
        is_ours = status >= 500
        if is_ours:
            log.error("request_failed", exc_info=exc)
        code = _SERVER_ERROR if is_ours else BAD_PARAMETER
        text = "Internal System Error." if is_ours else "params error: the request is not valid HTTP"
        body = orjson.dumps(refusal(code, text, time.time_ns() // 1_000_000))
        response = web.Response(body=body, status=status, content_type="application/json")
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A body that breaks off, or is not what its headers say, is the client's fault and no event of ours."""
        if not isinstance(kw.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            super().log_exception(*args, **kw)
