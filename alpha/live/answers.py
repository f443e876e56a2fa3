"""redis-py's answers with our types: its own cover bytes, RESP3 and asyncio at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import redis

Entry = tuple[str, dict[str, str]]
"""A stream entry: its id and its fields."""


def hash_of(client: redis.Redis, key: str) -> dict[str, str]:
    """All fields of a hash; empty when there is none."""
    return cast(dict[str, str], client.hgetall(key))


def hashes_of(client: redis.Redis, *keys: str) -> list[dict[str, str]]:
    """All fields of several hashes, read together; empty where there is none."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.hgetall(key)
    return cast("list[dict[str, str]]", pipe.execute())


def entries_after(
    client: redis.Redis, after: Mapping[str, str], *, limit: int, block_ms: int | None
) -> dict[str, list[Entry]]:
    """XREAD: the entries after the given id of each stream; streams without any are left out."""
    answer = cast(
        "list[tuple[str, list[Entry]]] | None",
        client.xread(cast(Any, dict(after)), count=limit, block=block_ms),
    )
    return dict(answer or [])


def newest_id(client: redis.Redis, key: str) -> str | None:
    """The id of the newest entry of a stream."""
    newest = cast("list[Entry]", client.xrevrange(key, count=1))
    return newest[0][0] if newest else None


def oldest_id(client: redis.Redis, key: str) -> str | None:
    """The id of the oldest entry that a stream still holds."""
    oldest = cast("list[Entry]", client.xrange(key, count=1))
    return oldest[0][0] if oldest else None


def newest_entries(client: redis.Redis, key: str, count: int) -> list[Entry]:
    """The newest entries of a stream, oldest first."""
    return cast("list[Entry]", client.xrevrange(key, count=count))[::-1]


def run(client: redis.Redis, script: str, key: str, *arguments: str) -> int:
    """A Lua script over one key that answers a number."""
    return int(cast(int, client.eval(script, 1, key, *arguments)))


def write_hash(client: redis.Redis, key: str, fields: Mapping[str, str]) -> None:
    client.hset(key, mapping=cast(Any, dict(fields)))
