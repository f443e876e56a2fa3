"""The bus: streams for whoever wants to follow. Entries may repeat; each carries an id that tells it apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis

from alpha.live.answers import entries_after
from alpha.live.databases import Command, execute

FILLS = "bus:fills"
ORDERS = "bus:orders"
EVENTS = "bus:events"
ALERTS = "bus:alerts"
KEPT = 10_000


_PUBLISH = """
for _, message in ipairs(ARGV) do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', KEPT, '*', 'message', message)
end
""".replace("KEPT", str(KEPT))


def publish(client: redis.Redis, stream: str, messages: Iterable[Mapping[str, Any] | str]) -> None:
    """Append messages (a mapping becomes one line of JSON) in one round trip. `client` is of the bus database."""
    texts = [
        text if isinstance(text, str) else json.dumps(text, separators=(",", ":"), default=str) for text in messages
    ]
    execute(client, publish_command(stream, texts))


def publish_command(stream: str, messages: Sequence[str]) -> Command:
    """The same as a command of the bus database."""
    return ("EVAL", _PUBLISH, 1, stream, *messages)


def read(
    client: redis.Redis, stream: str, *, after: str = "$", limit: int = 500, block_ms: int | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Messages after a stream id, each with its own id."""
    entries = entries_after(client, {stream: after}, limit=limit, block_ms=block_ms).get(stream, [])
    return [(entry_id, json.loads(entry["message"])) for entry_id, entry in entries]
