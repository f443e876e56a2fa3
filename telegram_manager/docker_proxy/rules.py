"""Which requests to Docker's API are let through. Pure: no socket is opened here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto, unique

from alpha.domain.errors import AlphaError

BOT_LABEL = "alpha.bot"
SERVICE_LABEL = "alpha.service"
PROJECT_LABEL = "com.docker.compose.project"

MOST_LOG_LINES = 10_000
_LONGEST_STOP_S = 120

_VERSIONED = re.compile(r"/v1\.[0-9]{1,3}(/.*)")
_OF_CONTAINER = re.compile(r"/containers/([A-Za-z0-9][A-Za-z0-9_.-]{0,127})/(json|logs|start|stop|restart)")
_SECONDS = re.compile(r"[0-9]{1,4}")


class Refused(AlphaError):
    """The request is none that is let through. The message says why."""


@unique
class Action(Enum):
    PING = auto()
    VERSION = auto()
    LIST = auto()
    INSPECT = auto()
    LOGS = auto()
    START = auto()
    STOP = auto()
    RESTART = auto()

    @property
    def changes(self) -> bool:
        """Whether it does something to a container; only bots may be done something to."""
        return self in (Action.START, Action.STOP, Action.RESTART)


_WHAT = {
    ("GET", "json"): Action.INSPECT,
    ("GET", "logs"): Action.LOGS,
    ("POST", "start"): Action.START,
    ("POST", "stop"): Action.STOP,
    ("POST", "restart"): Action.RESTART,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that may be let through. `container` is the name or id as it was written; what is sent on is `query`
    and never the client's own."""

    action: Action
    container: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


def wanted(method: str, path: str, query: Mapping[str, str]) -> Wanted:
    """What a request asks for. Raises Refused for everything that is not named here."""
    if method in ("GET", "HEAD") and _plain(path) == "/_ping":
        return Wanted(Action.PING)
    if method == "GET" and _plain(path) == "/version":
        return Wanted(Action.VERSION)
    if method == "GET" and _plain(path) == "/containers/json":
        return Wanted(Action.LIST, query=_list_query(query))
    found = _OF_CONTAINER.fullmatch(_plain(path))
    action = _WHAT.get((method, found[2])) if found else None
    if found is None or action is None:
        raise Refused(f"{method} {path} is not let through")
    return Wanted(action, found[1], _query_of(action, query))


def container_filters(project: str, label: str) -> str:
    """The filter with which containers of ours are listed, as the engine takes it."""
    return json.dumps({"label": [label, f"{PROJECT_LABEL}={project}"]})


def _plain(path: str) -> str:
    versioned = _VERSIONED.fullmatch(path)
    return versioned[1] if versioned else path


def _list_query(query: Mapping[str, str]) -> Mapping[str, str]:
    """A list must name the label by which it filters; nobody lists all containers."""
    try:
        filters = json.loads(query.get("filters", ""))
        labels = filters.pop("label")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Refused(f"a list must filter by the label {BOT_LABEL} or {SERVICE_LABEL}") from error
    # Newer clients send {"label": {"alpha.bot": true}}, older ones a list.
    names = sorted(labels) if isinstance(labels, dict | list) else []
    if filters or names not in ([BOT_LABEL], [SERVICE_LABEL]):
        raise Refused(f"a list filters by the label {BOT_LABEL} or {SERVICE_LABEL} and by nothing else")
    return {"label": names[0], "all": "1" if query.get("all", "").lower() in ("1", "true") else "0"}


def _query_of(action: Action, query: Mapping[str, str]) -> Mapping[str, str]:
    if action is Action.LOGS:
        tail = query.get("tail", "")
        lines = min(int(tail), MOST_LOG_LINES) if _SECONDS.fullmatch(tail) else MOST_LOG_LINES
        times = "1" if query.get("timestamps", "").lower() in ("1", "true") else "0"
        return {"stdout": "1", "stderr": "1", "follow": "0", "tail": str(lines), "timestamps": times}
    if action in (Action.STOP, Action.RESTART):
        after = query.get("t", "10")
        if not _SECONDS.fullmatch(after):
            raise Refused("t must be a number of seconds")
        return {"t": str(min(int(after), _LONGEST_STOP_S))}
    return {}
