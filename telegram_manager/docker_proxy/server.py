"""The proxy as a service: HTTP in, what is let through out."""

from __future__ import annotations

import orjson
import structlog
from aiohttp import web

from telegram_manager.docker_proxy import redaction
from telegram_manager.docker_proxy.engine import Engine, EngineUnreachable, Reply
from telegram_manager.docker_proxy.rules import Action, Refused, Wanted, wanted

log = structlog.get_logger(__name__)

_ENGINE: web.AppKey[Engine] = web.AppKey("engine", Engine)
_LONGEST_BODY = 1024


def proxy(engine: Engine) -> web.Application:
    """The application; `engine` is entered and left by whoever runs it."""
    app = web.Application(client_max_size=_LONGEST_BODY)
    app[_ENGINE] = engine
    app.router.add_get("/healthz", _healthz)
    app.router.add_route("*", "/{path:.*}", _pass_on)
    return app


async def _healthz(request: web.Request) -> web.Response:
    try:
        reply = await request.app[_ENGINE].carry_out(Wanted(Action.PING))
    except EngineUnreachable as error:
        return _json({"ok": False, "error": str(error)}, 503)
    return _json({"ok": reply.status == 200, "project": request.app[_ENGINE].project}, reply.status)


async def _pass_on(request: web.Request) -> web.Response:
    """Bodies are never passed on: no request that is let through needs one."""
    try:
        asked = wanted(request.method, request.path, request.query)
        reply = await request.app[_ENGINE].carry_out(asked)
    except Refused as error:
        log.warning("docker_refused", method=request.method, path=request.path, peer=request.remote, reason=str(error))
        return _json({"message": str(error)}, 403)
    except EngineUnreachable as error:
        log.error("docker_unreachable", error=str(error))
        return _json({"message": str(error)}, 502)
    if asked.action.changes:
        log.info("docker_asked", action=asked.action.name.lower(), container=asked.container, status=reply.status)
    return _answer(asked.action, reply)


def _answer(action: Action, reply: Reply) -> web.Response:
    if reply.status == 200:
        match action:
            case Action.LIST:
                return _json(redaction.listed(reply.json()))
            case Action.INSPECT:
                return _json(redaction.inspected(reply.json()))
            case Action.VERSION:
                return _json(redaction.version(reply.json()))
    return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
