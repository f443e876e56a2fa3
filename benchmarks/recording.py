"""The recorder against the simplest thing that could store a fill: one INSERT and one commit each."""

from __future__ import annotations

import time
from contextlib import closing

from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.local.postgres import EmbeddedPostgres
from benchmarks.fills import ACCOUNT, heard_fills

_FLOOR_FILLS = 500
_BATCHES = ((1, 300), (100, 50), (1000, 10))


def measure(postgres: EmbeddedPostgres) -> list[tuple[str, float, float]]:
    """(what, fills per second, ratio to the floor). Every commit waits for the disk."""
    with closing(connect(postgres.dsn(), "bench")) as connection:
        floor = _floor(connection)
        rows = [("insert + commit, one fill each (floor)", floor, 1.0)]
        epoch = take_account(connection, ACCOUNT, "bench", ttl_s=3600)
        recorder = FillRecorder(connection, {ACCOUNT: epoch})
        first = 0
        for size, batches in _BATCHES:
            made = [list(heard_fills(first + n * size, size)) for n in range(batches)]
            first += size * batches
            started = time.perf_counter()
            for batch in made:
                recorder.record(batch)
            rate = size * batches / (time.perf_counter() - started)
            rows.append((f"recorder, {size} a batch: lock, dedupe, number, insert, fold", rate, rate / floor))
    return rows


def _floor(connection: Connection) -> float:
    with transaction(connection) as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS floor (exec_id text PRIMARY KEY, price numeric, quantity numeric)")
    started = time.perf_counter()
    for n in range(_FLOOR_FILLS):
        with transaction(connection) as cursor:
            cursor.execute("INSERT INTO floor VALUES (%s, %s, %s)", (f"floor-{n}", "10000.1", "0.003"))
    return _FLOOR_FILLS / (time.perf_counter() - started)
