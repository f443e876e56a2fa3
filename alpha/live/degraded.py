"""`degraded:{service}`: what works less well than it should in a service, told by itself for whoever looks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import redis

_KNOWN_FOR_S = 15


def degraded_key(service: str) -> str:
    return f"degraded:{service}"


def write_degraded(client: redis.Redis, service: str, modes: Iterable[Mapping[str, Any]]) -> None:
    """In the state database. What is not written again is forgotten within seconds: a service that is gone tells
    nothing, also not that it is well."""
    client.set(degraded_key(service), json.dumps(list(modes), separators=(",", ":")), ex=_KNOWN_FOR_S)


def read_degraded(client: redis.Redis) -> dict[str, list[dict[str, Any]]]:
    """By service, of those that said something lately; an empty list is a service that is well."""
    found = {}
    for key in client.scan_iter(match=degraded_key("*"), count=1000):
        text = client.get(key)
        if text is not None:
            found[str(key).removeprefix(degraded_key(""))] = list(json.loads(str(text)))
    return found
