"""What accounts cost: the listener with 1, 10 and 50 of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.figures import Figure, Section, Unit, at_most
from benchmarks.scene import Scene
from benchmarks.servers import Servers

_HOW = (
    "The same number of fills, sent as fast as they are read in three bursts, spread over 1, 10 and 50 accounts of one "
    "process. CPU: user and system time of the listener's process. Memory: after the last burst. Idle: all accounts "
    "live and nothing happens but what is asked of the exchange to prove it."
)
_SETTLE_S = 5.0
_COUNTS = (1, 10, 50)
_BURSTS = 3


@dataclass(frozen=True, slots=True)
class _Cost:
    per_fill_us: float
    idle_percent: float
    memory_mb: float


def measure(servers: Servers, *, quick: bool) -> Section:
    fills, idle_s = (2_000, 10.0) if quick else (20_000, 30.0)
    costs = {accounts: _cost(servers, accounts, fills, idle_s) for accounts in _COUNTS}
    alone = costs[1].per_fill_us
    most = _COUNTS[-1]
    figures = [Figure("CPU per fill, 1 account", alone, Unit.US)]
    for accounts in _COUNTS[1:]:
        figures.append(Figure(f"CPU per fill, {accounts} accounts", costs[accounts].per_fill_us, Unit.US))
        ratio = costs[accounts].per_fill_us / alone
        figures.append(Figure(f"CPU per fill, {accounts} accounts to 1", ratio, Unit.TIMES, at_most(1.2)))
    figures += [
        Figure(f"idle CPU, {accounts} {'account' if accounts == 1 else 'accounts'}", cost.idle_percent, Unit.PERCENT)
        for accounts, cost in costs.items()
    ]
    figures += [
        Figure(f"idle CPU per 10 accounts, of {most}", costs[most].idle_percent * 10 / most, Unit.PERCENT, at_most(1)),
        Figure("memory, 1 account", costs[1].memory_mb, Unit.MB),
        Figure(f"memory, {most} accounts", costs[most].memory_mb, Unit.MB, at_most(150)),
    ]
    return Section("accounts", "1, 10 and 50 accounts in one process", _HOW, tuple(figures))


def _cost(servers: Servers, accounts: int, fills: int, idle_s: float) -> _Cost:
    """With so many fills in each burst."""
    with Scene(servers, accounts=accounts, fills=_BURSTS * fills // accounts) as scene:
        scene.start_listener()
        time.sleep(_SETTLE_S)
        before_s = scene.cpu_s()
        time.sleep(idle_s)
        idle = (scene.cpu_s() - before_s) / idle_s * 100
        before_s = scene.cpu_s()
        for burst in range(1, _BURSTS + 1):
            scene.run(fills=fills)
            scene.until_recorded(burst * fills, within_s=fills / 100 + 60)
        used_s = scene.cpu_s() - before_s
        memory_mb = scene.process.memory_info().rss / 2**20
        return _Cost(used_s / (_BURSTS * fills) * 1e6, idle, memory_mb)
