"""Socket to durable commit, books and Redis: how many fills a second the listener takes from a full stream."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from alpha.ledger.connection import connect, transaction
from benchmarks.bare_insert import TABLE, make_table
from benchmarks.figures import Figure, Section, Unit, at_least
from benchmarks.machine import Machine
from benchmarks.scene import BenchmarkFailed, Scene
from benchmarks.servers import Servers

_HOW = (
    "One account, one fill in a frame, every second fill closes a round trip. From the first byte sent to the last "
    "fill committed, folded and in its bot's stream; exchange simulator, listener, PostgreSQL and Valkey share the "
    "cores. The simple listener reads the same frames and inserts and commits one fill at a time, nothing else."
)
_REFERENCE_COMMIT_MS = 0.5


def measure(servers: Servers, machine: Machine, *, quick: bool) -> Section:
    fills, floor_fills, fills_of_states = (4_000, 1_000, 2_000) if quick else (60_000, 6_000, 30_000)
    # Half before and half after, so that others who come or go on the machine favour neither.
    simple_s = _simple_s(servers, floor_fills // 2)
    executions = _listener(servers, fills, with_states=False)
    simple_s += _simple_s(servers, floor_fills // 2)
    floor = floor_fills / simple_s
    states = _listener(servers, fills_of_states, with_states=True)
    # Where a commit takes longer than the reference, the figure is what it would be there; a faster disk does not count
    # against the listener.
    scale = max(1.0, machine.commit_ms / _REFERENCE_COMMIT_MS)
    return Section(
        "throughput",
        "Socket to durable commit",
        _HOW,
        (
            Figure("simple listener", floor, Unit.FILLS_PER_S),
            *_figures("executions only", executions, scale, required=10_000),
            Figure("executions only, to the simple listener", executions.fills_per_s / floor, Unit.TIMES, at_least(7)),
            *_figures("with order and position frames", states, scale, required=5_000),
        ),
    )


def _figures(what: str, rate: _Rate, scale: float, *, required: float) -> tuple[Figure, ...]:
    scaled = f"{what}, scaled to a commit of {_REFERENCE_COMMIT_MS} ms"
    return (
        Figure(what, rate.fills_per_s, Unit.FILLS_PER_S),
        Figure(scaled, rate.fills_per_s * scale, Unit.FILLS_PER_S, at_least(required)),
        Figure(f"{what}, CPU of the listener per fill", rate.cpu_us, Unit.US),
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    fills_per_s: float
    cpu_us: float


def _listener(servers: Servers, fills: int, *, with_states: bool) -> _Rate:
    with Scene(servers, fills=fills, with_states=with_states) as scene:
        scene.start_listener()
        before_s = scene.cpu_s()
        scene.run()
        ended_ns = scene.until_recorded(fills, within_s=fills / 100 + 30)
        return _Rate(fills / ((ended_ns - _began_ns(scene)) / 1e9), (scene.cpu_s() - before_s) / fills * 1e6)


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
