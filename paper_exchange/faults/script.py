"""Scripts of faults as they come in: JSON to `Fault`, and a sentence about what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from paper_exchange.faults.fault import Fault, FaultKind

LONGEST_S = 86_400.0
MOST_FAULTS = 1_000

_EVERY_KIND = frozenset({"kind", "from_s", "for_s"})
_MESSAGE = frozenset({"account", "probability", "topics"})
_REQUEST = frozenset({"account", "probability", "paths"})
_SOCKET = frozenset({"account", "probability"})

TAKES: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.DROP: _SOCKET,
    FaultKind.FREEZE: _SOCKET,
    FaultKind.HALF_CLOSE: _SOCKET,
    FaultKind.DEAF: _SOCKET,
    FaultKind.DELAY: _MESSAGE | {"by_s"},
    FaultKind.DUPLICATE: _MESSAGE | {"by_s"},
    FaultKind.REORDER: _MESSAGE | {"by_s"},
    FaultKind.WITHHOLD: _MESSAGE,
    FaultKind.REST_LATE: _REQUEST | {"by_s"},
    FaultKind.REST_EMPTY: _REQUEST,
    FaultKind.REST_ERROR: _REQUEST | {"answer", "took_effect"},
    FaultKind.REST_CUT_BEFORE: _REQUEST,
    FaultKind.REST_CUT_AFTER: _REQUEST,
    FaultKind.REST_CUT_LAST_PAGE: _REQUEST,
    FaultKind.REST_LAG: frozenset({"account", "probability", "by_s"}),
    FaultKind.RATE_LIMIT: frozenset({"account", "limit", "ip_limit"}),
    FaultKind.CLOCK_SKEW: frozenset({"by_s"}),
    FaultKind.MAINTENANCE: frozenset({"answer"}),
}
_NEEDS_BY_S = frozenset(
    {FaultKind.DELAY, FaultKind.REORDER, FaultKind.REST_LATE, FaultKind.REST_LAG, FaultKind.CLOCK_SKEW}
)
_ANSWERS: Mapping[FaultKind, tuple[str, ...]] = {
    FaultKind.REST_ERROR: ("10006", "10016", "10000", "500", "502", "503", "403"),
    FaultKind.MAINTENANCE: ("10016", "503"),
}
TOPICS = ("execution", "order", "position", "wallet")


class ScriptInvalid(AlphaError):
    """A script that cannot be read. The text names the fault and says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Script:
    """Faults to be armed together, and the seed of their draws."""

    seed: int
    faults: tuple[Fault, ...]


def read_script(body: Mapping[str, Any], *, accounts: Collection[str], paths: Collection[str]) -> Script:
    """`{"seed": 7, "faults": [{"kind": ..., "for_s": ..., ...}]}` as a script. Raises ScriptInvalid.

    `accounts` and `paths` are those that there are.
    """
    unknown = sorted(set(body) - {"seed", "faults"})
    if unknown:
        raise ScriptInvalid(f"a script has seed and faults, not {', '.join(unknown)}")
    seed, given = body.get("seed", 1), body.get("faults")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ScriptInvalid("seed must be a whole number")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_FAULTS:
        raise ScriptInvalid(f"faults must be a list of 1 to {MOST_FAULTS} faults")
    faults = []
    for number, row in enumerate(given):
        try:
            faults.append(_read_fault(row, accounts, paths))
        except ScriptInvalid as error:
            raise ScriptInvalid(f"faults[{number}]: {error}") from error
    return Script(seed, tuple(faults))


def _read_fault(row: object, accounts: Collection[str], paths: Collection[str]) -> Fault:
    if not isinstance(row, dict):
        raise ScriptInvalid("a fault must be an object")
    kind = _kind(row)
    unknown = sorted(set(row) - _EVERY_KIND - TAKES[kind])
    if unknown:
        raise ScriptInvalid(f"{kind} takes no {', '.join(unknown)}")
    return Fault(
        kind=kind,
        from_s=_seconds(row, "from_s", default=0.0),
        for_s=_seconds(row, "for_s", at_least=None if kind is not FaultKind.DROP else 0.0),
        account=_account(row, accounts),
        probability=_probability(row),
        by_s=_by_s(kind, row),
        answer=_answer(kind, row),
        took_effect=_flag(row, "took_effect"),
        paths=_names(row, "paths", paths),
        topics=_names(row, "topics", TOPICS),
        limit=_whole(row, "limit"),
        ip_limit=_whole(row, "ip_limit"),
    )


def _kind(row: Mapping[str, Any]) -> FaultKind:
    try:
        return FaultKind(str(row.get("kind")))
    except ValueError as error:
        known = ", ".join(kind.value for kind in FaultKind)
        raise ScriptInvalid(f"there is no kind {row.get('kind')!r}; there are {known}") from error


def _account(row: Mapping[str, Any], accounts: Collection[str]) -> AccountName | None:
    name = row.get("account")
    if name is None:
        return None
    if not isinstance(name, str) or name not in accounts:
        raise ScriptInvalid(f"there is no account {name!r}")
    return AccountName(name)


def _number(row: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = row.get(name, default)
    if value is None:
        raise ScriptInvalid(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ScriptInvalid(f"{name} must be a number, not {value!r}")
    return float(value)


def _seconds(row: Mapping[str, Any], name: str, *, default: float | None = None, at_least: float | None = 0.0) -> float:
    """`at_least` None asks for more than 0."""
    value = _number(row, name, default)
    too_small = value <= 0 if at_least is None else value < at_least
    if too_small or value > LONGEST_S:
        raise ScriptInvalid(f"{name} must be {'above' if at_least is None else 'at least'} 0 and at most a day")
    return value


def _by_s(kind: FaultKind, row: Mapping[str, Any]) -> float | None:
    if "by_s" not in TAKES[kind]:
        return None
    if kind is FaultKind.CLOCK_SKEW:
        value = _number(row, "by_s")
        if value == 0 or abs(value) > LONGEST_S:
            raise ScriptInvalid("by_s must not be 0, and at most a day either way")
        return value
    if kind in _NEEDS_BY_S:
        return _seconds(row, "by_s", at_least=None)
    return _seconds(row, "by_s", default=0.0)


def _probability(row: Mapping[str, Any]) -> float:
    value = _number(row, "probability", 1.0)
    if not 0 < value <= 1:
        raise ScriptInvalid("probability must be above 0 and at most 1")
    return value


def _answer(kind: FaultKind, row: Mapping[str, Any]) -> str | None:
    if kind not in _ANSWERS:
        return None
    value = row.get("answer")
    if value is None and kind is FaultKind.MAINTENANCE:
        return None
    if isinstance(value, bool) or str(value) not in _ANSWERS[kind]:
        raise ScriptInvalid(f"answer must be one of {', '.join(_ANSWERS[kind])}")
    return str(value)


def _flag(row: Mapping[str, Any], name: str) -> bool | None:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise ScriptInvalid(f"{name} must be true or false")
    return value


def _whole(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ScriptInvalid(f"{name} must be a whole number of at least 1")
    return value


def _names(row: Mapping[str, Any], name: str, known: Collection[str]) -> frozenset[str]:
    value = row.get(name)
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not value:
        raise ScriptInvalid(f"{name} must be a list that is not empty; leave it out to mean all of them")
    for item in value:
        if item not in known:
            raise ScriptInvalid(f"{name}: there is no {item!r}")
    return frozenset(value)
