"""Carries out a plan on a stage: breaks, waits, mends, and counts what each fault met."""

from __future__ import annotations

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from alpha.ledger.connection import LedgerError
from alpha.local.drill.kinds import REST_KINDS, Kind, Lane
from alpha.local.drill.listeners import DrillListener
from alpha.local.drill.load import JournalCounter, Load
from alpha.local.drill.network import LinkState
from alpha.local.drill.schedule import Injection, drops_at
from alpha.local.drill.stage import Stage
from alpha.local.errors import StartFailed
from alpha.local.exchange_admin import AdminUnreachable, ExchangeAdmin

log = structlog.get_logger()

_MENDED_WITHIN_S = 60.0
_TRY_EVERY_S = 0.2
_BURST_AFTER = 0.3
"""Which part of a fault has passed when its burst begins."""

_WHOLE_EXCHANGE = frozenset({Kind.CLOCK_SKEW, Kind.MAINTENANCE})
# https://www.postgresql.org/docs/16/server-shutdown.html
_FAST, _IMMEDIATE = signal.SIGINT, signal.SIGQUIT
_OVER = object()

Steps = Iterator[None]
"""What a fault does, in steps: each is one look at the clock."""


@dataclass(slots=True)
class Tally:
    """How often a kind was injected, and how much it met in all."""

    injected: int = 0
    hit: int = 0


class Director:
    """Injects faults. To be used by the main thread, which alone may start processes; `tick` never waits."""

    def __init__(self, stage: Stage, admin: ExchangeAdmin, load: Load, executed: JournalCounter) -> None:
        self._stage, self._admin, self._load, self._executed = stage, admin, load, executed
        self._running: dict[Lane, Steps] = {}
        self._tallies: defaultdict[Kind, Tally] = defaultdict(Tally)
        self._hit_before: Counter[Kind] = Counter()
        """What the exchange's faults had met when it was killed: its own counts begin anew."""
        self._accounts = list(stage.registry.accounts)
        self._everything_is_down = False

    @property
    def busy(self) -> bool:
        """Whether a fault is going on."""
        return bool(self._running)

    def is_free(self, lane: Lane) -> bool:
        """Whether a fault of the lane may begin: the one before has ended, and not everything is dead."""
        return lane not in self._running and not self._everything_is_down

    def inject(self, injection: Injection) -> None:
        """Begins a fault now, in a lane that is free; `tick` carries it on."""
        log.info("fault_injected", kind=injection.kind.value, for_s=injection.for_s, account=injection.account)
        is_theirs = injection.kind.lane is Lane.EXCHANGE
        self._running[injection.kind.lane] = self._of_exchange(injection) if is_theirs else self._of_ours(injection)
        self.tick()

    def tick(self) -> None:
        """One step of every fault that goes on. Raises StartFailed when something does not come back."""
        for lane, steps in list(self._running.items()):
            if next(steps, _OVER) is _OVER:
                del self._running[lane]
        for listener in self._stage.listeners:
            listener.keep_running()

    def tallies(self) -> dict[Kind, Tally]:
        """Every kind that was injected, and what it met."""
        told = {} if self._everything_is_down else self._told_by_exchange()
        return {
            kind: Tally(
                tally.injected,
                tally.hit + self._hit_before[kind] + told.get(kind, 0),
            )
            for kind, tally in self._tallies.items()
        }

    def _of_exchange(self, injection: Injection) -> Steps:
        self._tallies[injection.kind].injected += 1
        account = None if injection.account is None else self._accounts[injection.account]
        window = {"from_s": 0.0, "for_s": injection.for_s, "account": account}
        faults = [{"kind": injection.kind.value, **window, **injection.details}]
        if injection.kind in _WHOLE_EXCHANGE:
            del faults[0]["account"]
        if injection.kind in REST_KINDS:
            # Recovery asks most: it is brought about in the middle of what hampers it.
            drops = drops_at(injection.for_s)
            self._tallies[Kind.DROP].injected += len(drops)
            faults += [{"kind": Kind.DROP.value, "from_s": at_s, "for_s": 0.0, "account": account} for at_s in drops]
        self._load.burst(injection.burst if injection.kind is Kind.REST_CUT_LAST_PAGE else 0, account)
        while True:
            try:
                self._admin.arm(injection.seed, faults)
                break
            except AdminUnreachable as error:
                log.warning("fault_not_armed", kind=injection.kind.value, reason=str(error))
                yield from _pause(_TRY_EVERY_S)
        yield from _pause(injection.for_s * _BURST_AFTER)
        if injection.kind is not Kind.REST_CUT_LAST_PAGE:
            self._load.burst(injection.burst, account)
        yield from _pause(injection.for_s * (1 - _BURST_AFTER))

    def _of_ours(self, injection: Injection) -> Steps:
        kind = injection.kind
        self._tallies[kind].injected += 1
        before = self._executed.count()
        if kind is Kind.REDIS_FLUSH:
            self._load.burst(injection.burst)
            self._tallies[kind].hit += self._stage.flush_redis()
            return
        if kind is Kind.POSTGRES_SESSIONS:
            yield from self._end_sessions(injection)
            return
        if kind.lane is Lane.NETWORK:
            yield from self._network(injection)
        else:
            yield from self._processes(injection)
        self._tallies[kind].hit += self._executed.count() - before

    def _lasting(self, injection: Injection) -> Steps:
        """The time in which something stays broken, with its burst."""
        yield from _pause(injection.for_s * _BURST_AFTER)
        self._load.burst(injection.burst)
        yield from _pause(injection.for_s * (1 - _BURST_AFTER))

    def _network(self, injection: Injection) -> Steps:
        part, _, how = injection.kind.value.partition("_")
        state = LinkState.CUT if how == "cut" else LinkState.SILENT
        listeners = self._stage.listeners if injection.both else [self._stage.leader()]
        for listener in listeners:
            listener.links.set(part, state)
        yield from self._lasting(injection)
        for listener in listeners:
            listener.links.set(part, LinkState.OPEN)

    def _processes(self, injection: Injection) -> Steps:
        match injection.kind:
            case Kind.KILL_LEADER:
                yield from self._kill([self._stage.leader()], injection)
            case Kind.KILL_STANDBY:
                yield from self._kill([self._stage.standby()], injection)
            case Kind.KILL_LISTENERS:
                yield from self._kill(self._stage.listeners, injection)
            case Kind.STOP_LEADER:
                yield from self._freeze(self._stage.leader(), injection)
            case Kind.STOP_STANDBY:
                yield from self._freeze(self._stage.standby(), injection)
            case Kind.POSTGRES_RESTART | Kind.POSTGRES_CRASH:
                yield from self._restart_postgres(injection)
            case Kind.REDIS_RESTART:
                yield from self._restart_redis(injection)
            case Kind.KILL_EVERYTHING:
                yield from self._kill_everything(injection)

    def _kill(self, listeners: list[DrillListener], injection: Injection) -> Steps:
        for listener in listeners:
            listener.kill()
        yield from self._lasting(injection)
        for listener in listeners:
            if not listener.running:
                listener.start()

    def _freeze(self, listener: DrillListener, injection: Injection) -> Steps:
        listener.freeze()
        yield from self._lasting(injection)
        listener.thaw()

    def _end_sessions(self, injection: Injection) -> Steps:
        self._load.burst(injection.burst)
        until = time.monotonic() + injection.for_s
        while time.monotonic() < until:
            try:
                self._tallies[injection.kind].hit += self._stage.end_sessions()
            except LedgerError as error:
                log.info("sessions_not_ended", reason=str(error))
            yield from _pause(injection.for_s / 3)

    def _restart_postgres(self, injection: Injection) -> Steps:
        child = self._stage.postgres.child
        if child is None:
            return
        child.send(_FAST if injection.kind is Kind.POSTGRES_RESTART else _IMMEDIATE)
        yield from _until(lambda: not child.running, "PostgreSQL to end")
        yield from self._lasting(injection)
        yield from self._begin_postgres()

    def _begin_postgres(self) -> Steps:
        postgres = self._stage.postgres
        give_up = time.monotonic() + _MENDED_WITHIN_S
        child = postgres.begin()
        while not postgres.ready():
            if not child.running:
                # Backends of the server that was killed are leaving still.
                yield from _pause(_TRY_EVERY_S)
                child = postgres.begin()
            if time.monotonic() > give_up:
                raise StartFailed(f"PostgreSQL does not come back: {child.last_words()} (log: {postgres.log})")
            yield

    def _restart_redis(self, injection: Injection) -> Steps:
        child = self._stage.valkey.child
        if child is None:
            return
        child.kill()
        yield from self._lasting(injection)
        yield from self._begin_redis()

    def _begin_redis(self) -> Steps:
        self._stage.valkey.begin()
        yield from _until(self._stage.valkey.ready, "Redis to come back")

    def _kill_everything(self, injection: Injection) -> Steps:
        self._load.burst(injection.burst)
        self._hit_before.update(self._told_by_exchange())
        self._everything_is_down = True
        for listener in self._stage.listeners:
            listener.kill()
        self._stage.kill_exchange()
        self._stage.kill_servers()
        yield from _pause(injection.for_s)
        self._stage.restart_exchange()
        yield from _until(self._stage.exchange_answers, "the exchange to come back")
        self._admin.resume()
        self._load.burst(injection.burst)
        yield from self._begin_postgres()
        yield from self._begin_redis()
        for listener in self._stage.listeners:
            listener.start()
        self._everything_is_down = False

    def _told_by_exchange(self) -> dict[Kind, int]:
        return {Kind(kind): hit for kind, hit in self._admin.fault_hits().items()}


def _pause(seconds: float) -> Steps:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield


def _until(ready: Callable[[], bool], what: str) -> Steps:
    give_up = time.monotonic() + _MENDED_WITHIN_S
    while not ready():
        if time.monotonic() > give_up:
            raise StartFailed(f"waited {_MENDED_WITHIN_S:.0f} s for {what}")
        yield
