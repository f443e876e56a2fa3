"""The parameters a sweep varies, from the command line's `name=1,2,3` and `name=10..50:5`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from backtest.errors import BacktestRefused

Value = int | float | bool | str
MOST_CELLS = 100_000


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these values, in the order given."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included, in steps of `step`; without one any number between (whole ones between two
    whole ones)."""

    low: int | float
    high: int | float
    step: int | float | None = None

    @property
    def is_whole(self) -> bool:
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    def cells(self) -> tuple[Value, ...] | None:
        """Every value there is, None when they cannot be counted."""
        step = 1 if self.step is None and self.is_whole else self.step
        if step is None:
            return None
        count = int((self.high - self.low) / step + 1e-9) + 1
        return tuple(
            self.low + number * step if self.is_whole else _rounded(self.low + number * step) for number in range(count)
        )


Space = Mapping[str, Choice | Range]
"""By parameter name; parts of nested names are joined by dots."""


def read_space(texts: Sequence[str]) -> dict[str, Choice | Range]:
    """Raises BacktestRefused with the text that cannot be read."""
    space: dict[str, Choice | Range] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name or not values.strip():
            raise BacktestRefused(f"--vary {text!r} must be name=1,2,3 or name=10..50:5")
        if name in space:
            raise BacktestRefused(f"--vary names {name} twice")
        space[name] = _range(name, values) if ".." in values else Choice(_distinct(name, values))
    if not space:
        raise BacktestRefused("nothing to vary: name at least one parameter, like --vary ema_fast_bars=120,240,360")
    return space


def grid(space: Space) -> Iterator[dict[str, Value]]:
    """Every combination, the last name varying fastest.

    Raises BacktestRefused where a range has no countable values, or when there are more than 100,000 combinations.
    """
    columns, count = [], 1
    for name, values in space.items():
        cells = values.values if isinstance(values, Choice) else values.cells()
        if cells is None:
            raise BacktestRefused(f"--vary {name}: a grid needs a step, like {name}=0.5..2:0.5; or search with optuna")
        columns.append(cells)
        count *= len(cells)
    if count > MOST_CELLS:
        raise BacktestRefused(
            f"the grid has {count:,} combinations, more than {MOST_CELLS:,}: search with optuna instead"
        )
    for cells in product(*columns):
        yield dict(zip(space, cells, strict=True))


def check_names(space: Space, known: Mapping[str, Any]) -> None:
    """`known` are the strategy's parameters with their values, one mapping in the other.

    Raises BacktestRefused for a name that is not among them, with those that are.
    """
    for name in space:
        level: Any = known
        above: list[str] = []
        for part in name.split("."):
            if not isinstance(level, Mapping):
                raise BacktestRefused(f"--vary {name}: {'.'.join(above)} holds a value and no names")
            if part not in level:
                where = f"{'.'.join(above)} has" if above else "the parameters are"
                raise BacktestRefused(f"--vary {name}: there is no {part!r}; {where} {', '.join(level)}")
            level = level[part]
            above.append(part)
        if isinstance(level, Mapping):
            raise BacktestRefused(f"--vary {name}: it has parts, of which one can be varied: {', '.join(level)}")


def nested(values: Mapping[str, Value]) -> dict[str, Any]:
    """`{"assets.BTCUSDT.stop_percent": 1}` as parameters are written: one mapping in the other."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


def space_text(space: Space) -> dict[str, str]:
    """As it would be written on the command line; equal spaces have equal texts."""
    return {name: _text(values) for name, values in sorted(space.items())}


def _text(values: Choice | Range) -> str:
    if isinstance(values, Choice):
        return ",".join(str(value) for value in values.values)
    return f"{values.low}..{values.high}" + ("" if values.step is None else f":{values.step}")


def _distinct(name: str, text: str) -> tuple[Value, ...]:
    values = tuple(_scalar(name, part) for part in text.split(","))
    if len(set(values)) != len(values):
        raise BacktestRefused(f"--vary {name}: {text} names a value twice")
    return values


def _range(name: str, text: str) -> Range:
    bounds, _, step_text = text.partition(":")
    low_text, _, high_text = bounds.partition("..")
    low, high = _number(name, low_text), _number(name, high_text)
    step = _number(name, step_text) if step_text else None
    if low >= high:
        raise BacktestRefused(f"--vary {name}: {low} is not below {high}")
    if step is not None and not 0 < step <= high - low:
        raise BacktestRefused(f"--vary {name}: the step {step} must be above 0 and at most {high - low}")
    return Range(low, high, step)


def _number(name: str, text: str) -> int | float:
    value = _scalar(name, text)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise BacktestRefused(f"--vary {name}: {text.strip()!r} is not a number")
    return value


def _scalar(name: str, text: str) -> Value:
    try:
        value = yaml.safe_load(text.strip())
    except yaml.YAMLError as error:
        raise BacktestRefused(f"--vary {name}: {text.strip()!r} cannot be read") from error
    if not isinstance(value, bool | int | float | str):
        raise BacktestRefused(f"--vary {name}: {text.strip()!r} is not a value")
    return value


def _rounded(value: float) -> float:
    """0.1 + 2 x 0.1 is 0.3 here."""
    return round(value, 12)
