"""Recovery: what happened while the listener was down, read over REST and recorded."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.domain.ids import AccountName
from alpha.exchange.budget import Call, KnownLimits, Purpose
from benchmarks.figures import Figure, Section, Unit, at_least, at_most
from benchmarks.scene import BenchmarkFailed, Scene
from benchmarks.servers import Servers

# https://bybit-exchange.github.io/docs/v5/rate-limit: requests a second of one account, and executions in an answer.
_LISTS_PER_S, _PAGE = 50, 100
_HOW = (
    "A listener that has proven its account ends; so many executions happen; it starts again. From its first question "
    "for executions to the last of them committed, folded and in its bot's stream. First without limits, then, with "
    f"fewer executions, with Bybit's {_LISTS_PER_S} requests a second enforced, of which a share is the bots'."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recovery:
    seconds: float
    per_s: float
    cpu_us: float
    memory_mb: float
    refused: int


def measure(servers: Servers, *, quick: bool) -> Section:
    executions, limited = (5_000, 5_000) if quick else (100_000, 25_000)
    free = _recover(servers, executions, lists_per_s=None)
    bound = _recover(servers, limited, lists_per_s=_LISTS_PER_S)
    allowed = bound.per_s / (_LISTS_PER_S * _PAGE) * 100
    left = bound.per_s / (_left_for_recovery() * _PAGE) * 100
    return Section(
        "recovery",
        f"Recovery of {executions:,} missed executions",
        _HOW,
        (
            Figure("executions recovered", free.per_s, Unit.FILLS_PER_S, at_least(5_000)),
            Figure("the whole recovery", free.seconds, Unit.S),
            Figure("CPU of the listener per execution, its start included", free.cpu_us, Unit.US),
            Figure("memory afterwards", free.memory_mb, Unit.MB),
            Figure("executions recovered within the limit", bound.per_s, Unit.FILLS_PER_S),
            Figure("of what the limit allows in all", allowed, Unit.PERCENT),
            Figure("of what it leaves to recovery beside the bots' share", left, Unit.PERCENT, at_least(90)),
            Figure("requests refused as too many", bound.refused, Unit.COUNT, at_most(0)),
        ),
    )


def _left_for_recovery() -> float:
    """Requests a second for lists of executions while bots use theirs of it, at most."""
    call = Call("", "/v5/execution/list", AccountName("any"), Purpose.BACKGROUND)
    _, scope = KnownLimits().scopes(call)
    kept = sum(share for purpose, share in scope.reserved.items() if purpose is not call.purpose)
    return (scope.limit.requests - kept) / scope.limit.window_s


def _recover(servers: Servers, executions: int, *, lists_per_s: int | None) -> _Recovery:
    with Scene(servers, fills=executions, mode="paper", lists_per_s=lists_per_s) as scene:
        scene.start_listener()
        scene.stop_listener()
        scene.run(heard=False)
        scene.until(lambda: (scene.progress() or {}).get("ended_ns"), within_s=60, what="the executions")
        scene.launch_listener()
        ended_ns = scene.until_recorded(executions, within_s=executions / 200 + 60)
        said = scene.progress()
        if said is None or not said["first_list_ns"]:
            raise BenchmarkFailed("the listener asked for no executions")
        seconds = (ended_ns - said["first_list_ns"]) / 1e9
        return _Recovery(
            seconds=seconds,
            per_s=executions / seconds,
            cpu_us=scene.cpu_s() / executions * 1e6,
            memory_mb=scene.process.memory_info().rss / 2**20,
            refused=said["refused"],
        )
