"""What a drill does and when. Pure: the same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from alpha.local.drill.kinds import REST_KINDS, STREAM_KINDS, Kind, Lane

FILLS_PER_ROUND = 5_000
"""So many fills want every kind of fault once more."""

_FIRST_AT_S = 1.0
_QUIET_AFTER_S = 1.5
# A REST list has pages of at most 100 rows (https://bybit-exchange.github.io/docs/v5/order/execution).
_MORE_THAN_A_PAGE = 130
_ALONE_S = 7.0
_BURST_AGAIN = 20
# So few that a fault of a second still meets some: what meets nothing is tried again alone, which takes far more.
_FEWEST_PER_S = 20.0
_DROP_AFTER = 0.2
_DROP_EVERY_S = 3.0
# The listener's second look comes half a second after the first: Bybit's lag, scaled to the paper exchange. A short one
# is over before a listener on a busy machine has asked.
_SHORTEST_LAG_S, _LONGEST_LAG_S = 0.25, 0.4
# A request may be 5 s older than the exchange's clock and 1 s ahead of it.
_SKEW_THAT_IS_REFUSED_S = (6.0, 30.0)
# Fewer than one recovery asks; and so long a listener asks nothing once its address was refused on a paper exchange.
_REQUESTS_TO_5_S = (3, 6)
_ASKS_NOTHING_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One fault: seconds from the start of the plan, and for how long.

    `account` is the number of the account it is for, None for all. `both`: a network fault is for both listeners and
    not only for the one that writes. `burst` fills are executed while it lasts, on top of the steady load. `details`
    are the exchange's parameters of the fault.
    """

    kind: Kind
    at_s: float
    for_s: float
    seed: int
    account: int | None = None
    both: bool = False
    burst: int = 0
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A drill from its first fill to the last fault's end. `injections` are in the order of their begin."""

    seed: int
    fills: int
    accounts: int
    duration_s: float
    injections: tuple[Injection, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(injection.kind for injection in self.injections)

    @property
    def fills_per_s(self) -> float:
        """The steady load between the bursts; of a plan of few fills it makes more of them than were asked for."""
        in_bursts = sum(injection.burst for injection in self.injections)
        return max(_FEWEST_PER_S, (self.fills - in_bursts) / self.duration_s)


def make_plan(
    *, seed: int, fills: int, accounts: int, kinds: Iterable[Kind] = Kind, pause_s: tuple[float, float] = (0.3, 1.5)
) -> Plan:
    """Every kind at least once, twice and more often for many fills, in three lanes that overlap: the exchange
    misbehaves in one, the network fails in another, processes and servers in the third. `pause_s`: the shortest and the
    longest time from the end of a fault to the next of its lane."""
    chosen = sorted(set(kinds))
    rounds = max(1, round(fills / FILLS_PER_ROUND))
    rng = random.Random(f"drill:{seed}")

    def lane(which: Lane, taken: list[tuple[float, float]]) -> list[Injection]:
        kinds = [kind for kind in chosen if kind.lane is which]
        return _lane(rng, kinds, rounds=rounds, accounts=accounts, pause_s=pause_s, taken=taken)

    processes = lane(Lane.PROCESSES, [])
    alone = [(each.at_s, each.at_s + _ALONE_S) for each in processes if each.kind is Kind.KILL_EVERYTHING]
    network = lane(Lane.NETWORK, alone)
    exchange = lane(Lane.EXCHANGE, alone)
    injections = sorted([*processes, *network, *exchange], key=lambda each: (each.at_s, each.kind))
    burst = fills // (4 * len(injections)) if injections else 0
    return Plan(
        seed=seed,
        fills=fills,
        accounts=accounts,
        duration_s=max((each.end_s for each in injections), default=_FIRST_AT_S) + _QUIET_AFTER_S,
        injections=tuple(
            replace(each, burst=max(burst, _MORE_THAN_A_PAGE) if each.kind is Kind.REST_CUT_LAST_PAGE else burst)
            for each in injections
        ),
    )


def again(injection: Injection, attempt: int) -> Injection:
    """The same fault at once and for all accounts, for a kind that hit nothing the first time. It lasts twice as long
    with each attempt, counted from 1: on a slow machine what it hampers may begin only when it would be over. What
    lags, lags as long as the listener must bear: a question that arrives late asks for little that is younger."""
    details = injection.details
    if injection.kind is Kind.REST_LAG:
        details = MappingProxyType({**details, "by_s": _LONGEST_LAG_S})
    return replace(
        injection,
        at_s=0.0,
        for_s=injection.for_s * 2**attempt,
        account=None,
        burst=max(injection.burst, _BURST_AGAIN),
        details=details,
    )


def drops_at(for_s: float) -> tuple[float, ...]:
    """When sockets are dropped within a fault of REST, in seconds from its begin: after a fifth of it, and every three
    seconds of a long one, since each recovery is a chance for it to be met."""
    first = for_s * _DROP_AFTER
    return tuple(first + number * _DROP_EVERY_S for number in range(1 + int((for_s - first) // _DROP_EVERY_S)))


def _lane(
    rng: random.Random,
    kinds: list[Kind],
    *,
    rounds: int,
    accounts: int,
    pause_s: tuple[float, float],
    taken: list[tuple[float, float]],
) -> list[Injection]:
    """One fault after the other in random order, none within a stretch that is taken."""
    lane: list[Injection] = []
    at_s = _FIRST_AT_S
    for _ in range(rounds):
        rng.shuffle(kinds)
        for kind in kinds:
            at_s += rng.uniform(*pause_s)
            if kind in REST_KINDS and lane and lane[-1].kind is Kind.RATE_LIMIT:
                # What nobody asks for cannot be hampered.
                at_s = max(at_s, lane[-1].end_s + _ASKS_NOTHING_S)
            for_s = _LASTS.get(kind, _SHORT)(rng)
            for begin, end in taken:
                if at_s < end and at_s + for_s > begin:
                    at_s = end
            lane.append(_injection(rng, kind, at_s, for_s, accounts))
            at_s += _ALONE_S if kind is Kind.KILL_EVERYTHING else for_s
    return lane


def _injection(rng: random.Random, kind: Kind, at_s: float, for_s: float, accounts: int) -> Injection:
    of_one = kind.lane is Lane.EXCHANGE and kind not in _OF_ALL and rng.random() < 0.5
    return Injection(
        kind=kind,
        at_s=round(at_s, 3),
        for_s=round(for_s, 3),
        seed=rng.randrange(1 << 31),
        account=rng.randrange(accounts) if of_one else None,
        both=kind.lane is Lane.NETWORK and rng.random() < 0.5,
        details=MappingProxyType(_DETAILS[kind](rng) if kind in _DETAILS else {}),
    )


def _between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: rng.uniform(low, high)


_SHORT = _between(0.6, 1.8)
# Leases last a second: a listener is stopped or cut off for longer, so that the other one takes over.
_LASTS: Mapping[Kind, Callable[[random.Random], float]] = {
    Kind.STOP_LEADER: _between(2.5, 4.0),
    Kind.KILL_LEADER: _between(0.5, 3.0),
    Kind.POSTGRES_CUT: _between(0.5, 3.5),
    Kind.POSTGRES_SILENT: _between(1.5, 4.0),
    Kind.REDIS_SILENT: _between(0.8, 3.0),
    Kind.KILL_EVERYTHING: _between(0.2, 1.0),
    **{kind: _between(1.5, 2.5) for kind in REST_KINDS},
    Kind.MAINTENANCE: _between(0.8, 1.8),
}
_OF_ALL = frozenset({Kind.CLOCK_SKEW, Kind.MAINTENANCE, Kind.RATE_LIMIT}) | (STREAM_KINDS & {Kind.DROP})
_ERRORS = ("10006", "10016", "10000", "500", "502", "503", "403")


def _rest_error(rng: random.Random) -> dict[str, Any]:
    return {"answer": _ERRORS[rng.randrange(len(_ERRORS))], "probability": 0.7}


_DETAILS: Mapping[Kind, Callable[[random.Random], dict[str, Any]]] = {
    Kind.DELAY: lambda rng: {"by_s": round(rng.uniform(0.2, 1.5), 2)},
    Kind.DUPLICATE: lambda rng: {"by_s": round(rng.uniform(0.0, 1.0), 2)},
    Kind.REORDER: lambda rng: {"by_s": round(rng.uniform(0.1, 0.8), 2)},
    Kind.REST_LATE: lambda rng: {"by_s": round(rng.uniform(0.3, 1.5), 2)},
    Kind.REST_ERROR: _rest_error,
    Kind.REST_LAG: lambda rng: {"by_s": round(rng.uniform(_SHORTEST_LAG_S, _LONGEST_LAG_S), 2)},
    Kind.RATE_LIMIT: lambda rng: {"ip_limit": rng.randint(*_REQUESTS_TO_5_S)},
    Kind.CLOCK_SKEW: lambda rng: {"by_s": round(rng.choice((-1, 1)) * rng.uniform(*_SKEW_THAT_IS_REFUSED_S), 2)},
    Kind.WITHHOLD: lambda rng: {"probability": round(rng.uniform(0.3, 1.0), 2)},
}
