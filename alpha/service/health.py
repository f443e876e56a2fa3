"""`/healthz` and `/metrics` of a process, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from alpha.domain.errors import AlphaError

log = structlog.get_logger(__name__)

LOOPBACK = "127.0.0.1"


class PortTaken(AlphaError):
    """Another process listens on the port that was asked for."""


class HealthServer:
    """Answers `/healthz` with `status()` as JSON, 200 when its "ok" is true, else 503; `/metrics` for Prometheus.

    `status` is called in this server's threads, so it must only read. Port 0 means any free one; `port` tells which.
    Nobody is asked who they are, so `host` is loopback, or the address inside a container.
    """

    def __init__(
        self,
        port: int,
        status: Callable[[], Mapping[str, Any]],
        registry: CollectorRegistry = REGISTRY,
        *,
        host: str = LOOPBACK,
    ) -> None:
        self._status = status
        self._registry = registry
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler())
        except OSError as error:
            raise PortTaken(f"cannot serve /healthz on {host}:{port}: {error}; set another port, or 0") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> HealthServer:
        """Begins to answer. Returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops answering."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status code, content type and body for a path."""
        match path.split("?")[0]:
            case "/healthz":
                return self._health()
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"try /healthz or /metrics\n"

    def _health(self) -> tuple[int, str, bytes]:
        try:
            status = dict(self._status())
        except Exception:
            log.exception("health_status_failed")
            status = {"ok": False, "error": "status failed, see the log"}
        code = HTTPStatus.OK if status.get("ok") is True else HTTPStatus.SERVICE_UNAVAILABLE
        return code, "application/json", orjson.dumps(status, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                code, content_type, body = answer(self.path)
                with suppress(ConnectionError):  # whoever asked may have given up
                    self.send_response(code)
                    self.send_header("Content-Type", content_type)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent: a probe every few seconds is no event."""

        return Handler
