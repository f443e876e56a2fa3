"""Publishing committed fills into a bot's stream against one plain XADD each."""

from __future__ import annotations

import time

import redis

from alpha.ledger.fills import RecordedFill
from alpha.live import fill_stream
from alpha.live.bot_database import claim
from alpha.live.bot_keys import fills_key
from alpha.live.connection import open_redis
from alpha.live.fill_json import fill_to_json
from alpha.local.valkey import EmbeddedValkey
from benchmarks.fills import BOT, heard_fills, recorded_fill

_COUNT, _BATCH = 5_000, 100


def measure(valkey: EmbeddedValkey) -> list[tuple[str, float, float]]:
    """(what, fills per second, ratio to the floor)."""
    fills = [recorded_fill(heard, number) for number, heard in enumerate(heard_fills(1, _COUNT), 1)]
    with open_redis(valkey.address(), 0) as client:
        floor = _floor(client, fills)
        rows = [("XADD, one fill each (floor)", floor, 1.0)]
        for size in (1, _BATCH):
            client.delete(fills_key(BOT))
            claim(client, BOT, 1)
            started = time.perf_counter()
            for first in range(0, _COUNT, size):
                fill_stream.publish(client, BOT, fills[first : first + size], epoch=1)
            rate = _COUNT / (time.perf_counter() - started)
            rows.append((f"exactly-once publish, {size} a call", rate, rate / floor))
    return rows


def _floor(client: redis.Redis, fills: list[RecordedFill]) -> float:
    started = time.perf_counter()
    for recorded in fills:
        client.xadd("floor", {"json": fill_to_json(recorded)}, maxlen=10_000)
    return _COUNT / (time.perf_counter() - started)
