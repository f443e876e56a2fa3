"""The bus: streams for whoever wants to follow. Entries may repeat; each carries an id that tells it apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from alpha.live.answers import entries_after

FILLS = "bus:fills"
ORDERS = "bus:orders"
EVENTS = "bus:events"
ALERTS = "bus:alerts"
KEPT = 10_000


def publish(client: redis.Redis, stream: str, messages: Iterable[Mapping[str, Any] | str]) -> None:
    """Append messages (a mapping becomes one line of JSON) in one round trip. `client` is of the bus database."""
    pipe = client.pipeline(transaction=False)
    for message in messages:
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"), default=str)
        pipe.xadd(stream, {"message": text}, maxlen=KEPT, approximate=True)
    pipe.execute()


def read(
    client: redis.Redis, stream: str, *, after: str = "$", limit: int = 500, block_ms: int | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Messages after a stream id, each with its own id."""
    entries = entries_after(client, {stream: after}, limit=limit, block_ms=block_ms).get(stream, [])
    return [(entry_id, json.loads(entry["message"])) for entry_id, entry in entries]
