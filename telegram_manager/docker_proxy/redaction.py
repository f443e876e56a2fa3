"""What of Docker's answers is passed on: named fields only, and of the environment no values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "<hidden>"

_INSPECTED = ("Id", "Name", "Created", "Image", "RestartCount", "Platform")
_STATE = ("Status", "Running", "Restarting", "OOMKilled", "Dead", "ExitCode", "StartedAt", "FinishedAt")
_HEALTH = ("Status", "FailingStreak")
_CONFIG = ("Image", "Tty", "StopSignal")
_LISTED = ("Id", "Names", "Image", "ImageID", "Created", "State", "Status")
_VERSION = ("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch")
# Labels hold what somebody wrote into a compose file; those of others may hold anything.
_OUR_LABELS = "alpha."
_LABELS = ("com.docker.compose.project", "com.docker.compose.service")


def inspected(container: Mapping[str, Any]) -> dict[str, Any]:
    """A container as it may be seen. Commands, mounts, networks and the output of health checks are left out; the names
    of its environment stay, their values do not."""
    state, config = container.get("State") or {}, container.get("Config") or {}
    seen = _only(container, _INSPECTED)
    seen["State"] = _only(state, _STATE)
    if state.get("Health"):
        seen["State"]["Health"] = _only(state["Health"], _HEALTH)
    seen["Config"] = _only(config, _CONFIG)
    seen["Config"]["Labels"] = _labels(config.get("Labels"))
    seen["Config"]["Env"] = [f"{line.partition('=')[0]}={HIDDEN}" for line in config.get("Env") or ()]
    seen["HostConfig"] = {"RestartPolicy": (container.get("HostConfig") or {}).get("RestartPolicy") or {}}
    return seen


def listed(containers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same of a list."""
    return [_only(container, _LISTED) | {"Labels": _labels(container.get("Labels"))} for container in containers]


def version(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Enough to agree on a version of the API, and nothing of the machine."""
    return _only(answer, _VERSION)


def _only(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    shown = {name: value for name, value in (labels or {}).items() if name.startswith(_OUR_LABELS)}
    return shown | _only(labels or {}, _LABELS)
