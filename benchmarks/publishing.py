"""Publishing committed fills into a bot's stream against one plain XADD each."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import redis

from alpha.ledger.fills import FillSource, RecordedFill
from alpha.live import fill_stream
from alpha.live.connection import open_redis
from alpha.live.fill_json import fill_to_json
from alpha.local.valkey import EmbeddedValkey
from benchmarks.fills import BOT, heard_fills

_COUNT, _BATCH = 5_000, 100


def measure(valkey: EmbeddedValkey) -> list[tuple[str, float, float]]:
    """(what, fills per second, ratio to the floor)."""
    fills = [_recorded(number) for number in range(1, _COUNT + 1)]
    with open_redis(valkey.address(), 0) as client:
        floor = _floor(client, fills)
        rows = [("XADD, one fill each (floor)", floor, 1.0)]
        for size in (1, _BATCH):
            fill_stream.forget(client, BOT)
            started = time.perf_counter()
            for first in range(0, _COUNT, size):
                fill_stream.publish(client, BOT, fills[first : first + size])
            rate = _COUNT / (time.perf_counter() - started)
            rows.append((f"exactly-once publish, {size} a call", rate, rate / floor))
    return rows


def _floor(client: redis.Redis, fills: list[RecordedFill]) -> float:
    started = time.perf_counter()
    for recorded in fills:
        client.xadd("floor", {"json": fill_to_json(recorded)}, maxlen=10_000)
    return _COUNT / (time.perf_counter() - started)


def _recorded(number: int) -> RecordedFill:
    heard = next(heard_fills(number, 1))
    return RecordedFill(
        fill=heard.fill,
        attribution=replace(heard.attribution),
        position_idx=0,
        bot_seq=number,
        source=FillSource.STREAM,
        frame_at=None,
        received_at=heard.received_at,
        recorded_at=datetime.now(UTC),
    )
