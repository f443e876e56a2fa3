"""`python -m telegram_manager.docker_proxy`: runs the proxy until SIGTERM.

Environment: HEALTH_HOST (127.0.0.1), DOCKER_PROXY_PORT (2375), DOCKER_SOCKET (/var/run/docker.sock) and
ALPHA_COMPOSE_PROJECT, the compose project whose containers are ours; without it that of this very container.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from alpha.config.errors import ConfigError
from alpha.config.settings import Settings, load_settings
from alpha.domain.errors import AlphaError, Misconfigured
from alpha.service.logging import configure_logging
from telegram_manager.docker_proxy.engine import Engine
from telegram_manager.docker_proxy.server import proxy

log = structlog.get_logger(__name__)

_SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    host: str
    port: int
    socket: Path
    project: str
    """Empty: that of this container."""


def read_options(settings: Settings, environ: Mapping[str, str]) -> ProxyOptions:
    """Raises ConfigError."""
    port = environ.get("DOCKER_PROXY_PORT", "").strip() or "2375"
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ConfigError("DOCKER_PROXY_PORT must be a port")
    return ProxyOptions(
        host=settings.health_host,
        port=int(port),
        socket=Path(environ.get("DOCKER_SOCKET", "").strip() or "/var/run/docker.sock"),
        project=environ.get("ALPHA_COMPOSE_PROJECT", "").strip(),
    )


async def serve(options: ProxyOptions, stop: asyncio.Event) -> None:
    """Raises ConfigError when it is not known whose containers are ours."""
    async with Engine(options.socket, options.project) as engine:
        engine.project = engine.project or await engine.own_project(socket.gethostname()) or ""
        if not engine.project:
            raise ConfigError("ALPHA_COMPOSE_PROJECT is not set, and this is no container of a compose project")
        runner = web.AppRunner(proxy(engine), access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, options.host, options.port).start()
            log.info("docker_proxy_started", host=options.host, port=options.port, project=engine.project)
            await stop.wait()
        finally:
            await runner.cleanup()


async def _run(options: ProxyOptions) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


def main() -> None:
    try:
        settings = load_settings(os.environ)
        configure_logging("docker-proxy", settings)
        asyncio.run(_run(read_options(settings, os.environ)))
    except AlphaError as error:
        print(f"docker_proxy: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, Misconfigured) else 3)


if __name__ == "__main__":
    main()
