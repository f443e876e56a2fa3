"""One drill from its first fill to its verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from alpha.config.settings import load_settings
from alpha.ledger.connection import LedgerError
from alpha.live.connection import LIVE_ERRORS, LiveStateError
from alpha.local.drill.director import Director
from alpha.local.drill.evidence import gather, settled
from alpha.local.drill.follower import Follower
from alpha.local.drill.judge import Verdict, judge
from alpha.local.drill.kinds import Kind
from alpha.local.drill.load import JournalCounter, Load
from alpha.local.drill.options import DrillOptions
from alpha.local.drill.orders import OrderSource
from alpha.local.drill.report import DrillReport, ListenerOutcome
from alpha.local.drill.schedule import Injection, Plan, again, make_plan
from alpha.local.drill.stage import Stage
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.exchange_admin import ExchangeState
from alpha.local.proving import ProofResult, prove
from alpha.service.shutdown import StopSignal

_TICK_S = 0.02
_LOOK_EVERY_S = 0.3
_MEMORY_EVERY_S = 1.0
_LAST_FILLS_WITHIN_S = 60.0
_WELL_WITHIN_S = 60.0
_TRIES_AGAIN = 4
_FILLS_PER_S_AGAIN, _MOST_PER_S_AGAIN = 25, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a drill is. `done` runs from 0 to 1."""

    done: float
    executed: int
    doing: str


Show = Callable[[Progress], None]


class Drill:
    """A drill on a stage that has been set. Use as a context, in the main thread."""

    def __init__(self, stage: Stage, options: DrillOptions, stop: StopSignal, show: Show) -> None:
        self._stage, self._options, self._stop, self._show = stage, options, stop, show
        self._admin = stage.admin()
        self._executed = JournalCounter(stage.journal)
        self._load = Load(OrderSource(stage.registry, options.seed), stage.admin(), self._executed)
        self._director = Director(stage, self._admin, self._load, self._executed)
        self._followers = [
            Follower(bot.id, stage.redis_address(), bot.redis_db, stage.dsn("bot"))
            for bot in stage.registry.bots.values()
        ]
        self._ending = ExitStack()
        self._began_s = time.monotonic()
        self._next_memory_s = 0.0

    def __enter__(self) -> Drill:
        self._load.start()
        self._ending.callback(self._load.stop)
        for follower in self._followers:
            follower.start()
            self._ending.callback(follower.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def run(self) -> DrillReport:
        """Phases until the time is over or something differs. Raises StartInterrupted, StartFailed."""
        phases, planned = 0, set[Kind]()
        while True:
            plan = self._plan(phases)
            phases += 1
            planned |= plan.kinds
            self._play_all(plan)
            verdict, settled_in_s = self._settle()
            if not verdict.equal or self._elapsed_s() >= (self._options.minutes or 0) * 60:
                break
            self._admin.resume()
        return DrillReport(
            seed=self._options.seed,
            fills=plan.fills,
            accounts=plan.accounts,
            phases=phases,
            seconds=self._elapsed_s(),
            verdict=verdict,
            settled_in_s=settled_in_s,
            tallies=self._director.tallies(),
            planned=frozenset(planned),
            proof=self._prove() if verdict.equal else None,
            listeners=[
                ListenerOutcome(name=each.name, memory_mb=_memory_mb(each.memory_kb), own_ends=tuple(each.ends))
                for each in self._stage.listeners
            ],
        )

    def _prove(self) -> ProofResult:
        """The market stands still and everything is equal: now the exchange's own books have to say so too."""
        self._show(Progress(done=1.0, executed=self._executed.count(), doing="proving"))
        environ = self._stage.environment("sync")
        return prove(load_settings(environ), self._stage.registry, environ, by="drill")

    def _plan(self, phase: int) -> Plan:
        options = self._options
        return make_plan(
            seed=options.seed + phase,
            fills=options.fills,
            accounts=options.accounts,
            kinds=options.kinds,
            pause_s=options.pause_s,
        )

    def _play_all(self, plan: Plan) -> None:
        """A plan from its first fill to its last, and to the end of its last fault."""
        wanted = self._executed.count() + plan.fills
        self._load.pace(plan.fills_per_s)
        self._play(plan.injections, plan.duration_s)
        self._try_again(plan)
        self._load.pace(0)
        self._load.burst(wanted - self._executed.count())
        self._until(lambda: self._executed.count() >= wanted, _LAST_FILLS_WITHIN_S, "waiting for the last fills")
        self._admin.end_faults()
        self._stage.network.restore()

    def _play(self, injections: Iterable[Injection], duration_s: float) -> None:
        began = time.monotonic()
        waiting = list(injections)
        doing = "trading"
        while (elapsed := time.monotonic() - began) < duration_s or waiting or self._director.busy:
            for injection in [each for each in waiting if each.at_s <= elapsed]:
                # On a slow machine a lane may be late: what was broken takes its time to come back.
                if self._director.is_free(injection.kind.lane):
                    waiting.remove(injection)
                    doing = injection.kind.meaning
                    self._director.inject(injection)
            self._tick(elapsed / duration_s, doing)

    def _try_again(self, plan: Plan) -> None:
        """A fault that met nothing shows nothing: it is injected again, alone and into a platform that is well."""
        for attempt in range(1, _TRIES_AGAIN + 1):
            met = {kind for kind, tally in self._director.tallies().items() if tally.hit}
            missed = {each.kind: each for each in plan.injections if each.kind not in met}
            if not missed:
                return
            self._until(self._stage.all_live, _WELL_WITHIN_S, "waiting for the listeners")
            self._load.pace(min(_FILLS_PER_S_AGAIN * max(plan.accounts, 2), _MOST_PER_S_AGAIN))
            for injection in [again(each, attempt) for each in missed.values()]:
                self._play([injection], injection.for_s + 1.0)

    def _settle(self) -> tuple[Verdict, float | None]:
        """The verdict once everything that was on its way has arrived, or as it is after the time allowed; and the
        seconds until it was equal. The market stands still, so what differs then differs for good."""
        began = time.monotonic()
        self._until(self._stage.all_live, self._options.settle_s, "waiting for the listeners")
        # Nothing proves the present: executions of the last instant need a later one.
        self._admin.run(2)
        market = self._admin.pause(when_position_open=False, within_bars=0)
        give_up = time.monotonic() + self._options.settle_s
        while True:
            last = time.monotonic() >= give_up
            verdict = self._verdict(market, is_last=last)
            if verdict is not None and (verdict.equal or last):
                return verdict, time.monotonic() - began if verdict.equal else None
            self._until(lambda: False, _LOOK_EVERY_S, "comparing")

    def _verdict(self, market: ExchangeState, *, is_last: bool) -> Verdict | None:
        """None when it would come too early, or something cannot be asked just now."""
        try:
            if not is_last and not settled(self._stage, market, self._executed.count()):
                return None
            return judge(gather(self._stage, market, self._followers, self._load.tags))
        except (LedgerError, LiveStateError, *LIVE_ERRORS) as error:
            if is_last:
                raise StartFailed(f"the outcome cannot be read: {error} (logs: {self._stage.logs})") from error
            return None

    def _until(self, ready: Callable[[], bool], within_s: float, doing: str) -> None:
        """Waits as long as may be waited: what is not ready then shows in the verdict."""
        give_up = time.monotonic() + within_s
        while not ready() and time.monotonic() < give_up:
            self._tick(1.0, doing)

    def _tick(self, done: float, doing: str) -> None:
        if self._stop.wait(_TICK_S):
            raise StartInterrupted("stopped before the verdict")
        if self._load.failure is not None:
            raise StartFailed(f"the load ended: {self._load.failure}") from self._load.failure
        self._director.tick()
        if time.monotonic() >= self._next_memory_s:
            self._next_memory_s = time.monotonic() + _MEMORY_EVERY_S
            for listener in self._stage.listeners:
                listener.note_memory()
        if self._options.minutes:
            done = self._elapsed_s() / (self._options.minutes * 60)
        self._show(Progress(done=min(done, 1.0), executed=self._executed.count(), doing=doing))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


def _memory_mb(looks_kb: Sequence[int]) -> tuple[float, ...]:
    if not looks_kb:
        return ()
    return tuple(round(kb / 1024, 1) for kb in (looks_kb[0], looks_kb[-1], max(looks_kb)))
