"""Docker's engine behind its socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from alpha.domain.errors import Unreachable
from telegram_manager.docker_proxy.rules import (
    BOT_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    Action,
    Refused,
    Wanted,
    container_filters,
)

_ANSWER_WITHIN_S = 150.0
"""Longer than a container may take to stop."""
_PATHS = {
    Action.PING: "/_ping",
    Action.VERSION: "/version",
    Action.LIST: "/containers/json",
    Action.INSPECT: "/containers/{}/json",
    Action.LOGS: "/containers/{}/logs",
    Action.START: "/containers/{}/start",
    Action.STOP: "/containers/{}/stop",
    Action.RESTART: "/containers/{}/restart",
}


class EngineUnreachable(Unreachable):
    """Nobody answers behind the socket."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The engine's answer, whole."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Engine:
    """Requests to the engine, about containers of one compose project that carry a label of ours.

    Every request raises EngineUnreachable.
    """

    def __init__(self, socket: Path, project: str) -> None:
        self.project = project
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Engine:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(self._socket)),
            timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S, sock_connect=5),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def carry_out(self, wanted: Wanted) -> Reply:
        """Passes the request on, to the container's full id. Raises Refused when that is none of ours."""
        query = dict(wanted.query)
        container = ""
        if wanted.action is Action.LIST:
            query["filters"] = container_filters(self.project, query.pop("label"))
        elif wanted.container:
            container = await self.id_of(wanted.container, bots_only=wanted.action.changes)
        method = "POST" if wanted.action.changes else "GET"
        return await self.request(method, _PATHS[wanted.action].format(quote(container, safe="")), query)

    async def id_of(self, name: str, *, bots_only: bool) -> str:
        """The full id of a container of ours, from its id or name. Raises Refused for any other.

        It is looked for among those with our labels, never asked for by name: what a name leads to is the engine's
        guess, and a beginning of an id may be another container's.
        """
        for label in (BOT_LABEL,) if bots_only else (BOT_LABEL, SERVICE_LABEL):
            query = {"all": "1", "filters": container_filters(self.project, label)}
            reply = await self.request("GET", _PATHS[Action.LIST], query)
            if reply.status != 200:
                raise EngineUnreachable(f"Docker answered {reply.status} when asked for containers")
            for container in reply.json():
                if container["Id"] == name or f"/{name}" in container["Names"]:
                    return str(container["Id"])
        raise Refused(f"{name} is no container of {self.project} with the label {BOT_LABEL}")

    async def own_project(self, hostname: str) -> str | None:
        """The compose project of the container that runs under this hostname, which is the beginning of its id."""
        reply = await self.request("GET", _PATHS[Action.INSPECT].format(quote(hostname, safe="")), {})
        if reply.status != 200:
            return None
        labels = reply.json()["Config"]["Labels"] or {}
        project: str | None = labels.get(PROJECT_LABEL)
        return project

    async def request(self, method: str, path: str, query: Mapping[str, str]) -> Reply:
        if self._session is None:
            raise EngineUnreachable("not connected to Docker")
        try:
            async with self._session.request(method, f"http://docker{path}", params=query) as answer:
                content_type = answer.headers.get("Content-Type", "application/octet-stream")
                return Reply(answer.status, content_type, await answer.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise EngineUnreachable(f"Docker does not answer behind {self._socket}: {error}") from error
