"""Socket to durable commit, books and Redis: how many fills a second the listener takes from a full stream."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from alpha.ledger.connection import connect, transaction
from benchmarks.bare_insert import TABLE, make_table
from benchmarks.figures import Figure, Section, Unit, at_least
from benchmarks.machine import REFERENCE_COMMIT_MS, Machine
from benchmarks.scene import BenchmarkFailed, Scene
from benchmarks.servers import Servers

_HOW = (
    "One account, one fill in a frame, every second fill closes a round trip. From the first byte sent to the last "
    "fill committed, folded and in its bot's stream; exchange simulator, listener, PostgreSQL and Valkey share the "
    "cores. The simple listener reads the same frames and inserts and commits one fill at a time, nothing else. The "
    f"targets in fills a second are for a disk on which a single-row commit takes {REFERENCE_COMMIT_MS} ms: to the "
    "time that was measured, the difference is added (or taken away) once for each commit of either listener. The "
    "ratio is judged as measured and there."
)
# Beside the one with the fills a batch may have one with orders and one with positions.
_COMMITS_WITH_STATES = 3


def measure(servers: Servers, machine: Machine, *, quick: bool) -> Section:
    fills, floor_fills, fills_of_states = (4_000, 1_000, 2_000) if quick else (60_000, 6_000, 30_000)
    # Half before and half after, so that others who come or go on the machine favour neither.
    simple_s = _simple_s(servers, floor_fills // 2)
    executions = _listener(servers, fills, with_states=False)
    simple_s += _simple_s(servers, floor_fills // 2)
    simple = _Rate(fills=floor_fills, seconds=simple_s, commits=floor_fills)
    states = _listener(servers, fills_of_states, with_states=True)
    more_s = machine.to_reference_ms / 1000
    there = executions.per_s(more_s)
    where = f"at commits of {REFERENCE_COMMIT_MS} ms"
    return Section(
        "throughput",
        "Socket to durable commit",
        _HOW,
        (
            Figure("simple listener", simple.per_s(), Unit.FILLS_PER_S),
            *_figures("executions only", executions),
            Figure(
                "executions only, to the simple listener", executions.per_s() / simple.per_s(), Unit.TIMES, at_least(7)
            ),
            Figure(f"executions only, {where}", there, Unit.FILLS_PER_S, at_least(10_000)),
            Figure(
                f"executions only, to the simple listener, {where}",
                there / simple.per_s(more_s),
                Unit.TIMES,
                at_least(7),
            ),
            *_figures("with order and position frames", states),
            Figure(
                f"with order and position frames, {where}",
                states.per_s(more_s),
                Unit.FILLS_PER_S,
                at_least(5_000),
            ),
        ),
    )


def _figures(what: str, rate: _Rate) -> tuple[Figure, ...]:
    return (
        Figure(what, rate.per_s(), Unit.FILLS_PER_S),
        Figure(f"{what}, CPU of the listener per fill", rate.cpu_s / rate.fills * 1e6, Unit.US),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """So many fills in so many seconds and commits, and what CPU time the listener took for them."""

    fills: int
    seconds: float
    commits: int
    cpu_s: float = 0.0

    def per_s(self, more_s: float = 0.0) -> float:
        """Fills a second, if each commit took so much longer."""
        seconds = self.seconds + self.commits * more_s
        if seconds <= 0:
            raise BenchmarkFailed("the disk became much faster while it was measured: try again")
        return self.fills / seconds


def _listener(servers: Servers, fills: int, *, with_states: bool) -> _Rate:
    with Scene(servers, fills=fills, with_states=with_states) as scene:
        scene.start_listener()
        before_s = scene.cpu_s()
        scene.run()
        ended_ns = scene.until_recorded(fills, within_s=fills / 100 + 30)
        cpu_s = scene.cpu_s() - before_s
        with closing(connect(scene.owner, "bench")) as connection, transaction(connection) as cursor:
            # A batch has one time of recording.
            cursor.execute("SELECT count(DISTINCT recorded_at) FROM trading.fills")
            ((batches,),) = cursor.fetchall()
        return _Rate(
            fills=fills,
            seconds=(ended_ns - _began_ns(scene)) / 1e9,
            commits=batches * (_COMMITS_WITH_STATES if with_states else 1),
            cpu_s=cpu_s,
        )


def _simple_s(servers: Servers, fills: int) -> float:
    """Seconds that the simple listener takes for so many fills."""
    with Scene(servers, fills=fills) as scene, closing(connect(scene.owner, "bench")) as connection:
        make_table(connection, scene.writer.user)
        scene.child("simple", "-m", "benchmarks.simple_listener", scene.private_url).start()
        scene.until(lambda: (scene.progress() or {}).get("sockets"), within_s=20, what="the simple listener")
        scene.run()

        def recorded() -> bool:
            with transaction(connection) as cursor:
                cursor.execute(f"SELECT count(*) FROM {TABLE}")
                row = cursor.fetchone()
            return row is not None and row[0] >= fills

        scene.until(recorded, within_s=fills / 20 + 30, what="the simple listener to finish", every_s=0.1)
        with transaction(connection) as cursor:
            cursor.execute(f"SELECT max(received_at) FROM {TABLE}")
            row = cursor.fetchone()
        assert row is not None
        seconds: float = row[0].timestamp() - _began_ns(scene) / 1e9
        return seconds


def _began_ns(scene: Scene) -> int:
    said = scene.progress()
    if said is None or not said["began_ns"]:
        raise BenchmarkFailed("the firehose did not begin")
    return int(said["began_ns"])
