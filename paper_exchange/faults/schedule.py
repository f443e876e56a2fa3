"""Which faults are armed, which of them happen now, and what each has done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum, unique
from typing import Any

from alpha.domain.ids import AccountName
from paper_exchange.faults.draws import Draws
from paper_exchange.faults.fault import Fault, FaultKind
from paper_exchange.faults.script import Script


@unique
class FaultState(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    OVER = "over"


class ArmedFault:
    """A fault with its window on the clock, its draws, and its counts.

    `injected` counts how often it was done, `hit` what it was done to; the kinds table of paper_exchange/README.md says
    for each kind what that is.
    """

    __slots__ = ("_asked", "draws", "ends_at", "fault", "hit", "id", "injected", "starts_at")

    def __init__(self, fault_id: int, fault: Fault, draws: Draws, now: float) -> None:
        self.id = fault_id
        self.fault = fault
        self.draws = draws
        self.starts_at = now + fault.from_s
        self.ends_at = self.starts_at + fault.for_s
        self.injected = 0
        self.hit = 0
        self._asked: Counter[tuple[str, ...]] = Counter()

    def state(self, now: float) -> FaultState:
        if now >= self.ends_at:
            return FaultState.OVER
        return FaultState.ACTIVE if now >= self.starts_at else FaultState.WAITING

    def happens(self, *subject: str | int) -> bool:
        """Whether it happens to this subject: always the same answer for the same subject."""
        probability = self.fault.probability
        return probability >= 1 or self.draws.fraction("happens", *subject) < probability

    def happens_next(self, *subject: str) -> bool:
        """The same for what comes again and again, as the requests to one path do: each time is a draw of its own."""
        self._asked[subject] += 1
        return self.happens(*subject, self._asked[subject])

    def count(self, hit: int = 1) -> None:
        """It was done once, to so many."""
        self.injected += 1
        self.hit += hit


class Schedule:
    """All faults since the start of the exchange, also those that are over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only rise."""
        self._clock = clock
        self._armed: list[ArmedFault] = []
        self._last_end = float("-inf")

    def now(self) -> float:
        return self._clock()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happens now and nothing waits to."""
        return self._clock() >= self._last_end

    def arm(self, script: Script) -> list[ArmedFault]:
        now = self._clock()
        first = len(self._armed) + 1
        armed = [
            ArmedFault(first + place, fault, Draws(script.seed, place), now)
            for place, fault in enumerate(script.faults)
        ]
        self._armed += armed
        self._last_end = max([self._last_end, *(fault.ends_at for fault in armed)])
        return armed

    def active(self, kind: FaultKind, account: AccountName | None) -> Iterator[ArmedFault]:
        """The faults of a kind that happen now and meet the account, in the order in which they were armed."""
        now = self._clock()
        for armed in self._armed:
            if armed.fault.kind is kind and armed.starts_at <= now < armed.ends_at and armed.fault.meets(account):
                yield armed

    def pending(self, kind: FaultKind, account: AccountName | None) -> bool:
        """Whether a fault of the kind happens to the account now or still may."""
        now = self._clock()
        return any(
            armed.fault.kind is kind and now < armed.ends_at and armed.fault.meets(account) for armed in self._armed
        )

    def begin(self, armed: ArmedFault) -> None:
        """Its time has come, by a timer that may be a hair early."""
        armed.starts_at = min(armed.starts_at, self._clock())

    def finish(self, armed: ArmedFault) -> None:
        """Its time is over, by such a timer."""
        armed.ends_at = min(armed.ends_at, self._clock())

    def end_all(self) -> list[ArmedFault]:
        """Ends what happens and what waits; gives those that happened at this moment."""
        now = self._clock()
        ended = [armed for armed in self._armed if armed.state(now) is FaultState.ACTIVE]
        for armed in self._armed:
            armed.ends_at = min(armed.ends_at, now)
        self._last_end = min(self._last_end, now)
        return ended

    def report(self) -> dict[str, Any]:
        """`{"faults": [...], "totals": {kind: {"injected": n, "hit": n}}}`, as the administration answers it."""
        totals: dict[str, dict[str, int]] = {}
        for armed in self._armed:
            total = totals.setdefault(armed.fault.kind.value, {"injected": 0, "hit": 0})
            total["injected"] += armed.injected
            total["hit"] += armed.hit
        return {"faults": self.rows(self._armed), "totals": totals}

    def rows(self, some: list[ArmedFault]) -> list[dict[str, Any]]:
        now = self._clock()
        return [
            {
                "id": armed.id,
                "kind": armed.fault.kind.value,
                "account": armed.fault.account,
                "state": armed.state(now).value,
                "injected": armed.injected,
                "hit": armed.hit,
            }
            for armed in some
        ]
