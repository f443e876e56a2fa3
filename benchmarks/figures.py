"""What a measure answers: figures, some with a target, and how they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique


@unique
class Unit(StrEnum):
    """What a figure counts. Its value is what stands behind the number."""

    FILLS_PER_S = "fills/s"
    BARS_PER_S = "bars/s"
    ORDERS_PER_S = "orders/s"
    TIMES = "x"
    MS = "ms"
    S = "s"
    US = "µs"
    PERCENT = "%"
    MB = "MB"
    BYTES = "bytes"
    COUNT = "in all"


@unique
class Verdict(StrEnum):
    MET = "met"
    MISSED = "missed"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound, in the figure's unit, that the figure must not pass."""

    bound: float
    is_least: bool

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.is_least else value <= self.bound


def at_least(bound: float) -> Target:
    return Target(bound, True)


def at_most(bound: float) -> Target:
    return Target(bound, False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that was measured."""

    what: str
    value: float
    unit: Unit
    target: Target | None = None

    @property
    def verdict(self) -> Verdict:
        if self.target is None:
            return Verdict.NONE
        return Verdict.MET if self.target.holds(self.value) else Verdict.MISSED

    def cells(self) -> tuple[str, str, str, str]:
        """As a row: what, figure, target, verdict."""
        target = ""
        if self.target is not None:
            target = f"{'at least' if self.target.is_least else 'at most'} {_number(self.target.bound, self.unit)}"
        return self.what, _number(self.value, self.unit), target, self.verdict.value


@dataclass(frozen=True, slots=True)
class Section:
    """One measure: its name on the command line, a title, how it was measured, and its figures."""

    name: str
    title: str
    how: str
    figures: Sequence[Figure] = field(default=())

    @property
    def missed(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.verdict is Verdict.MISSED]


def percentile(samples: Iterable[float], percent: float) -> float:
    """The smallest sample that at least `percent` of the samples do not exceed (nearest rank).

    Raises ValueError without samples.
    """
    ascending = sorted(samples)
    if not ascending:
        raise ValueError("no samples, so no percentile")
    rank = max(1, -(-len(ascending) * percent // 100))
    return ascending[int(rank) - 1]


def _number(value: float, unit: Unit) -> str:
    if unit is Unit.TIMES:
        return f"{value:.2f} x"
    is_whole = unit in (Unit.FILLS_PER_S, Unit.BARS_PER_S, Unit.ORDERS_PER_S, Unit.COUNT) or value >= 1000
    return f"{value:,.0f} {unit.value}" if is_whole else f"{value:.2f} {unit.value}"
