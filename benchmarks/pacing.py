"""How long a single fill takes when there is no hurry: 100 a second, one every 10 ms, and a bare insert in between."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing

from alpha.ledger.connection import connect
from alpha.live import fill_stream
from alpha.live.connection import RedisAddress, open_redis
from benchmarks.bare_insert import BareInsert, make_table
from benchmarks.cast import Role, cast
from benchmarks.figures import Figure, Section, Target, Unit, at_most, percentile
from benchmarks.machine import REFERENCE_COMMIT_MS, Machine
from benchmarks.scene import BenchmarkFailed, Scene
from benchmarks.script import START, Script
from benchmarks.servers import Servers
from paper_exchange.server.render_executions import execution_update

_PER_S = 100
_HOW = (
    "100 fills a second, 10 ms apart, each with its order and position frame; half way between two of them another "
    "process inserts and commits one row. Queue: from the moment at which a fill is handed to the writer; socket: from "
    "its sending; Redis: from the commit until a reader that waits on the bot's stream has the fill. The ratios are "
    f"judged as measured, and as on a disk on which a single-row commit takes {REFERENCE_COMMIT_MS} ms: the difference "
    "is added to (or taken from) both sides, which have one commit each."
)


def measure(servers: Servers, machine: Machine, *, quick: bool) -> Section:
    fills = 300 if quick else 3_000
    notes = servers.home / "probed.json"
    with Scene(
        servers, fills=fills, with_states=True, program=("-m", "benchmarks.probed_listener", str(notes))
    ) as scene:
        scene.start_listener()
        with closing(connect(scene.owner, "bench")) as connection:
            make_table(connection, scene.owner.user)
            insert = BareInsert(connection)
            script = Script(cast(2)[1], START)
            rows = [execution_update(script.execution(number)) for number in range(fills)]
            reader = _StreamReader(servers.valkey.address(), scene.roles[0], fills)
            at_ns = time.time_ns() + 500_000_000
            every_ns = 10**9 // _PER_S
            scene.run(rate=_PER_S, at_ns=at_ns)
            bare = []
            for number, row in enumerate(rows):
                due_ns = at_ns + every_ns * number + every_ns // 2
                time.sleep(max(due_ns - time.time_ns(), 0) / 1e9)
                bare.append(insert.commit(script.role.account, row) * 1000)
        scene.until_recorded(fills, within_s=30)
        published = reader.result()
        sent_ns = scene.sent_ns()
        scene.stop_listener()
    noted: dict[str, tuple[float, float]] = json.loads(notes.read_text())
    if len(noted) < fills:
        raise BenchmarkFailed(
            f"{fills - len(noted)} of {fills} fills came over REST and not from the stream: try again"
        )
    queue = [(committed - queued) * 1000 for queued, committed in noted.values()]
    socket = [(noted[exec_id][1] - sent / 1e9) * 1000 for exec_id, sent in sent_ns.items()]
    redis = [(at - noted[exec_id][1]) * 1000 for exec_id, at in published.items()]
    more_ms = machine.to_reference_ms
    return Section(
        "pacing",
        "100 fills a second",
        _HOW,
        (
            Figure("bare insert and commit, p50", percentile(bare, 50), Unit.MS),
            Figure("bare insert and commit, p99", percentile(bare, 99), Unit.MS),
            *_ratios("queue to commit", queue, bare, more_ms, p50=at_most(1.7)),
            *_ratios("socket to commit", socket, bare, more_ms, p50=at_most(2.5)),
            Figure("commit to the bot's stream, p50", percentile(redis, 50), Unit.MS, at_most(1)),
            Figure("commit to the bot's stream, p99", percentile(redis, 99), Unit.MS),
        ),
    )


def _ratios(what: str, samples: list[float], bare: list[float], more_ms: float, *, p50: Target) -> list[Figure]:
    figures = []
    for percent, target in ((50, p50), (99, at_most(4))):
        found, floor = percentile(samples, percent), percentile(bare, percent)
        if floor + more_ms <= 0:
            raise BenchmarkFailed("the disk became much faster while it was measured: try again")
        ratio, there = f"{what}, p{percent}, to the bare insert", (found + more_ms) / (floor + more_ms)
        figures += [
            Figure(f"{what}, p{percent}", found, Unit.MS),
            Figure(ratio, found / floor, Unit.TIMES, target),
            Figure(f"{ratio}, at commits of {REFERENCE_COMMIT_MS} ms", there, Unit.TIMES, target),
        ]
    return figures


class _StreamReader:
    """Waits on a bot's stream as the bot does, and notes when each fill came."""

    def __init__(self, address: RedisAddress, role: Role, fills: int) -> None:
        self._address, self._role, self._fills = address, role, fills
        self._seen: dict[str, float] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def result(self) -> dict[str, float]:
        """Execution id to the wall time in seconds at which the reader had it."""
        self._thread.join(30)
        return self._seen

    def _read(self) -> None:
        after = 0
        with open_redis(self._address, self._role.redis_db) as client:
            while len(self._seen) < self._fills:
                fills = fill_stream.read(client, self._role.bot, after=after, block_ms=1_000)
                at = time.time()
                self._seen.update({recorded.fill.exec_id: at for recorded in fills})
                after += len(fills)
