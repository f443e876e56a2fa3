"""The recorder against the simplest thing that could store a fill: one INSERT of the same row and one commit each."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing

from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fill_rows import RECORDED_COLUMNS, HeardFill, RecordedFill, row_of_recorded
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.local.postgres import EmbeddedPostgres
from benchmarks.fills import ACCOUNT, heard_fills, recorded_fill

_FLOOR = "insert + commit, one fill each (floor)"
_ROUNDS = 12
_FLOOR_FILLS = 40
# Of each size of a batch, how many in a round.
_BATCHES = ((1, 40), (10, 10), (100, 4), (1000, 2))


def measure(postgres: EmbeddedPostgres) -> list[tuple[str, float, float]]:
    """(what, fills per second, ratio to the floor). Every commit waits for the disk.

    Floor and batches take turns, so that whatever else the machine does meets all of them.
    """
    numbers = itertools.count()
    fills: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    with closing(connect(postgres.dsn(), "bench")) as bare, closing(connect(postgres.dsn(), "bench")) as connection:
        insert = _BareInsert(bare)
        recorder = FillRecorder(connection, {ACCOUNT: take_account(connection, ACCOUNT, "bench", ttl_s=3600)})
        recorder.record(_next(numbers, 1))
        for _ in range(_ROUNDS):
            floor = [recorded_fill(heard, number) for number, heard in enumerate(_next(numbers, _FLOOR_FILLS), 1)]
            began = time.perf_counter()
            for recorded in floor:
                insert.commit(recorded)
            seconds[_FLOOR] += time.perf_counter() - began
            fills[_FLOOR] += _FLOOR_FILLS
            for size, batches in _BATCHES:
                what = f"recorder, {size} a batch: lock, dedupe, number, insert, fold"
                made = [_next(numbers, size) for _ in range(batches)]
                began = time.perf_counter()
                for batch in made:
                    recorder.record(batch)
                seconds[what] += time.perf_counter() - began
                fills[what] += size * batches
    rates = {what: fills[what] / seconds[what] for what in fills}
    return [(what, rate, rate / rates[_FLOOR]) for what, rate in rates.items()]


class _BareInsert:
    """Rows of the shape of `trading.fills` into a table with that table's key and no other index."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        marks = ", ".join(f"%({name})s" for name in RECORDED_COLUMNS)
        self._statement = f"INSERT INTO floor ({', '.join(RECORDED_COLUMNS)}) VALUES ({marks})"
        with transaction(connection) as cursor:
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS floor (LIKE trading.fills INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                " PRIMARY KEY (exec_id, symbol, account, category, exec_time))"
            )

    def commit(self, recorded: RecordedFill) -> None:
        with transaction(self._connection) as cursor:
            cursor.execute(self._statement, row_of_recorded(recorded))


def _next(numbers: Iterator[int], count: int) -> Sequence[HeardFill]:
    """Fills that come after those before."""
    return [heard for number in itertools.islice(numbers, count) for heard in heard_fills(number, 1)]
