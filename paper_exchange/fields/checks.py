"""What a field may hold. A check looks at a value and gives what is wrong with it, each with its place in the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Problems = tuple[str, ...]
"""Such as `.list[0].price: 1.5 is not a decimal number in text`. Empty for a value that is as it must be."""
Check = Callable[[Any], Problems]

_FINE: Problems = ()
_SHOWN = 60


class Field(NamedTuple):
    """What is known of one name of an object. `when` says when it is sent; empty for always."""

    check: Check
    when: str = ""


def text_of(pattern: str, what: str) -> Check:
    """Text that is as a whole of the pattern."""
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> Problems:
        return _FINE if isinstance(value, str) and matches(value) else _is_not(value, what)

    return check


def instance_of(kind: type, what: str) -> Check:
    """A value of exactly this type: a boolean is no number here."""

    def check(value: Any) -> Problems:
        return _FINE if type(value) is kind else _is_not(value, what)

    return check


def one_of(values: Iterable[Any]) -> Check:
    """One of a closed set. False and 0 are different values, as they are on the wire."""
    allowed = tuple(values)
    known = {(type(value), value) for value in allowed}
    listed = ", ".join(repr(value) for value in allowed[:8]) + (", ..." if len(allowed) > 8 else "")

    def check(value: Any) -> Problems:
        if isinstance(value, str | int) and (type(value), value) in known:
            return _FINE
        return (f": {_shown(value)} is none of {listed}",)

    return check


def or_null(inner: Check) -> Check:
    def check(value: Any) -> Problems:
        return _FINE if value is None else inner(value)

    return check


def list_of(inner: Check) -> Check:
    def check(value: Any) -> Problems:
        if not isinstance(value, list):
            return _is_not(value, "a list")
        return tuple(f"[{number}]{problem}" for number, item in enumerate(value) for problem in inner(item))

    return check


def row_of(columns: Sequence[Check]) -> Check:
    """A list with one value for each column."""

    def check(value: Any) -> Problems:
        if not isinstance(value, list) or len(value) != len(columns):
            return _is_not(value, f"a row of {len(columns)}")
        places = enumerate(zip(columns, value, strict=True))
        return tuple(f"[{number}]{problem}" for number, (inner, item) in places for problem in inner(item))

    return check


def mapping_of(inner: Check) -> Check:
    """An object with any names, all of whose values are alike."""

    def check(value: Any) -> Problems:
        if not isinstance(value, dict):
            return _is_not(value, "an object")
        return tuple(f".{name}{problem}" for name, item in value.items() for problem in inner(item))

    return check


def object_of(fields: Mapping[str, Field]) -> Check:
    """An object with these names and no others; a name may be left out only when it says when it is sent."""
    checks = {name: field.check for name, field in fields.items()}
    always = frozenset(name for name, field in fields.items() if not field.when)

    def unknown(value: Any) -> Problems:  # noqa: ARG001
        return (": not in the table",)

    def check(value: Any) -> Problems:
        if not isinstance(value, dict):
            return _is_not(value, "an object")
        problems = [f".{name}{problem}" for name, item in value.items() for problem in checks.get(name, unknown)(item)]
        return (*problems, *(f".{name}: missing" for name in sorted(always - value.keys())))

    return check


def _is_not(value: Any, what: str) -> Problems:
    return (f": {_shown(value)} is not {what}",)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
