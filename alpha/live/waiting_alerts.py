"""`alerts:waiting:{service}`: alerts that the ledger has not taken yet, for the case that who waits with them dies."""

from __future__ import annotations

from collections.abc import Sequence

import redis

KEPT = 1_000


def waiting_key(service: str) -> str:
    return f"alerts:waiting:{service}"


def keep(client: redis.Redis, service: str, texts: Sequence[str]) -> None:
    """Append alerts, one line of JSON each; the newest `KEPT` stay. `client` is of the bus database."""
    pipe = client.pipeline(transaction=True)
    pipe.rpush(waiting_key(service), *texts)
    pipe.ltrim(waiting_key(service), -KEPT, -1)
    pipe.execute()


def forget(client: redis.Redis, service: str, text: str) -> None:
    """It is in the ledger now."""
    client.lrem(waiting_key(service), 1, text)


def kept(client: redis.Redis, service: str) -> list[str]:
    """What an earlier process of the service left, oldest first."""
    return [str(text) for text in client.lrange(waiting_key(service), 0, -1)]
