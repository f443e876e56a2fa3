"""After a fault: how long until the ledger has every fill and Redis says what the ledger says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from alpha.ledger.connection import LedgerUnavailable
from alpha.live import positions
from alpha.live.connection import LIVE_ERRORS
from benchmarks.cast import SYMBOLS
from benchmarks.figures import Figure, Section, Unit, at_most
from benchmarks.relay import Relay
from benchmarks.scene import BenchmarkFailed, Scene
from benchmarks.script import START, Script
from benchmarks.servers import Servers

_ACCOUNTS, _PER_S = 5, 100
_BEFORE_S, _WITHIN_S = 1.5, 60.0
_HOW = (
    "5 accounts, 100 fills a second with their order and position frames; a fault begins and lasts some seconds, the "
    "last fills come shortly before its end. From its end until the ledger has every fill, each bot's stream ends with "
    "the ledger's last fill and each live position is the exchange's."
)


def measure(servers: Servers, *, quick: bool) -> Section:
    fault_s = 2.0 if quick else 5.0
    figures = []
    with Relay(servers.valkey.port) as relay:
        cut = _heal(servers, fault_s, relay, begin=relay.cut, end=relay.restore)
        figures.append(Figure("connections of Redis cut", cut, Unit.S, at_most(1)))
        emptied = _heal(servers, fault_s, relay, begin=servers.valkey.stop, end=servers.valkey.start)
        figures.append(Figure("Redis gone, back empty", emptied, Unit.S, at_most(1)))
        restarted = _heal(servers, fault_s, relay, begin=servers.postgres.stop, end=servers.postgres.start)
        figures.append(Figure("PostgreSQL gone, restarted", restarted, Unit.S, at_most(1)))
    return Section("healing", "After a fault", _HOW, tuple(figures))


def _heal(
    servers: Servers, fault_s: float, relay: Relay, *, begin: Callable[[], None], end: Callable[[], None]
) -> float:
    """Seconds from the end of the fault until everything agrees."""
    fills = int((_BEFORE_S + fault_s - 0.5) * _PER_S) // _ACCOUNTS
    redis_at = replace(servers.valkey.address(), port=relay.port)
    with Scene(servers, accounts=_ACCOUNTS, fills=fills, with_states=True, redis_at=redis_at) as scene:
        scene.start_listener()
        began_s = time.monotonic()
        scene.run(rate=_PER_S)
        time.sleep(_BEFORE_S)
        begin()
        time.sleep(max(began_s + _BEFORE_S + fault_s - time.monotonic(), 0))
        if not (scene.progress() or {}).get("ended_ns"):
            raise BenchmarkFailed("fills are still coming at the end of the fault: the machine is too busy")
        end()
        ended_s = time.monotonic()
        scene.until(lambda: _agree(scene, fills), within_s=_WITHIN_S, what="Redis to equal PostgreSQL")
        return time.monotonic() - ended_s


def _agree(scene: Scene, fills: int) -> bool:
    try:
        if scene.published() < fills * _ACCOUNTS or scene.committed() < fills * _ACCOUNTS:
            return False
        for role in scene.roles:
            script = Script(role, START)
            for symbol in SYMBOLS:
                live = positions.read(scene.clients[role.bot], role.bot, symbol)
                if live is None or live.position.size != script.position(symbol, fills).size:
                    return False
    except (LedgerUnavailable, *LIVE_ERRORS):
        return False
    return True
