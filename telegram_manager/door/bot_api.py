"""python-telegram-bot, put together: one application for the command centre, plain bots for other tokens."""

from __future__ import annotations

import os
import time
from typing import Any, TypeAlias

import httpx
from telegram import Bot
from telegram.error import NetworkError, TelegramError, TimedOut
from telegram.ext import AIORateLimiter, Application, ExtBot
from telegram.request import HTTPXRequest

from alpha.exchange.endpoints import is_loopback

App: TypeAlias = "Application[Any, Any, Any, Any, Any, Any]"

# python-telegram-bot then gives durations as timedelta, as its next major version will, instead of warning of that.
os.environ.setdefault("PTB_TIMEDELTA", "true")

POLL_S = 25
"""How long Telegram holds a getUpdates open."""
_CONNECTIONS = 32
_ANSWER_S = 10.0
# Nothing of the request has left when one of these is the cause.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Listening(HTTPXRequest):
    """The connection of getUpdates, which notes when Telegram last answered it."""

    __slots__ = ("last_success_s",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.last_success_s: float | None = None
        """time.monotonic() of the last success."""

    async def do_request(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        code, content = await super().do_request(*arguments, **options)
        if code == httpx.codes.OK:
            self.last_success_s = time.monotonic()
        return code, content


def build_application(token: str, api_url: str, listening: Listening) -> App:
    """An application whose updates are handled side by side: a kill does not wait for a chart."""
    application: App = (
        Application.builder()
        .token(token)
        .base_url(f"{api_url}/bot")
        .request(HTTPXRequest(connection_pool_size=_CONNECTIONS, **connection_options(api_url)))
        .get_updates_request(listening)
        .rate_limiter(AIORateLimiter(max_retries=3))
        .concurrent_updates(64)
        .job_queue(None)
        .build()
    )
    return application


def build_sender(token: str, api_url: str) -> ExtBot[Any]:
    """A bot that only speaks: another token's channel."""
    return ExtBot(
        token,
        base_url=f"{api_url}/bot",
        request=HTTPXRequest(connection_pool_size=4, **connection_options(api_url)),
        rate_limiter=AIORateLimiter(max_retries=3),
    )


def connection_options(api_url: str) -> dict[str, Any]:
    """A proxy of the environment is not meant for a server on this machine."""
    return {
        "read_timeout": _ANSWER_S,
        "connect_timeout": 5.0,
        "httpx_kwargs": {"trust_env": not is_loopback(api_url)},
    }


def was_not_sent(error: TelegramError) -> bool:
    """Whether Telegram surely did not do what was asked: it said no, or was never reached. False: nobody knows."""
    if isinstance(error, TimedOut) or type(error) is NetworkError:
        return isinstance(error.__cause__, _NOT_SENT)
    return True


__all__ = ["App", "Bot", "Listening", "build_application", "build_sender", "connection_options", "was_not_sent"]
