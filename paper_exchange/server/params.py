"""Parameters of a request, read one by one. What nobody reads is ignored, as Bybit does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from alpha.domain.clock import from_ms
from paper_exchange.engine import Refused

BAD_PARAMETER = 10001
OTHER_CATEGORIES = ("spot", "inverse", "option")
"""What Bybit has beside the linear contracts that are listed here."""

LATEST_MS = 4_102_444_800_000
"""The year 2100: a later time is a mistake, and a week beyond it must still be a time."""

_LONGEST_NUMBER = 40
_LARGEST_EXPONENT = 17
_LONGEST_ECHO = 64
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
"""Decimal reads more than this (1_000, NaN, digits of other scripts), and no exchange does."""

E = TypeVar("E", bound=StrEnum)


class Params:
    """A query string or a JSON body. Every method raises Refused (10001) for a value that cannot be.

    Clients send numbers as text or as JSON numbers, so both are read. An empty text is an absent value.
    """

    __slots__ = ("_values", "admitted")

    def __init__(self, values: Mapping[str, Any], admitted: int | None = None) -> None:
        self._values = values
        self.admitted = admitted
        """How many items of a batch the rate limit lets pass; None for all."""

    def optional(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        if type(value) is str:
            return value or None
        if isinstance(value, (dict, list)):
            raise invalid(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.optional(name)
        if value is not None:
            return value
        if default is None:
            raise required(name)
        return default

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether any of these is there at all."""
        return not names.isdisjoint(self._values)

    def shown(self, name: str) -> str:
        """A text as it may be repeated to the client, "" for what is none."""
        value = self._values.get(name)
        return echo(value) if isinstance(value, str) else ""

    def number(self, name: str) -> Decimal | None:
        value = self.optional(name)
        if value is None:
            return None
        # Both bounds keep arithmetic exact: what is longer or larger is no price or quantity of anything.
        if len(value) > _LONGEST_NUMBER or _NUMBER.fullmatch(value) is None:
            raise invalid(name)
        number = Decimal(value)
        if abs(number.adjusted()) > _LARGEST_EXPONENT:
            raise invalid(name)
        return number

    def required_number(self, name: str) -> Decimal:
        value = self.number(name)
        if value is None:
            raise required(name)
        return value

    def level(self, name: str) -> Decimal | None:
        """A price at which something shall happen, where both absence and 0 mean none."""
        return self.number(name) or None

    def integer(self, name: str, default: int) -> int:
        value = self.optional(name)
        if value is None:
            return default
        return _whole(name, value)

    def limit(self, *, default: int, highest: int) -> int:
        """The size of a page. More than allowed is cut to what is allowed."""
        limit = self.integer("limit", default)
        if limit < 1:
            raise invalid("limit")
        return min(limit, highest)

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if value is None or value is False:
            return False
        if value is True:
            return True
        text = self.text(name, "false").lower()
        if text not in ("true", "false"):
            raise invalid(name)
        return text == "true"

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        value = self.optional(name)
        if value is None:
            if default is None:
                raise required(name)
            return default
        member: E | None = _members(kind).get(value)
        if member is None:
            raise invalid(name)
        return member

    def optional_choice(self, name: str, kind: type[E]) -> E | None:
        return None if self.optional(name) is None else self.choice(name, kind)

    def time(self, name: str) -> datetime | None:
        value = self.optional(name)
        if value is None:
            return None
        milliseconds = _whole(name, value)
        if not 0 <= milliseconds <= LATEST_MS:
            raise invalid(name)
        return from_ms(milliseconds)

    def linear(self, default: str | None = None) -> str:
        """The category, which must be the one that is traded here."""
        category = self.text("category", default)
        if category == "linear":
            return category
        if category in OTHER_CATEGORIES:
            raise Refused(BAD_PARAMETER, f"Not supported category: {category}; this exchange lists linear only")
        raise Refused(BAD_PARAMETER, f"Illegal category: {echo(category)}")

    def count_of(self, name: str) -> int:
        """The length of a list; 1 for whatever else it is."""
        value = self._values.get(name)
        return len(value) if isinstance(value, list) and value else 1

    def items(self, name: str, *, most: int) -> list[Params]:
        """A list of objects. An entry that is no object is one without parameters."""
        value = self._values.get(name)
        if value is None:
            raise required(name)
        if not isinstance(value, list) or not value:
            raise invalid(name)
        if len(value) > most:
            raise Refused(BAD_PARAMETER, f"The number of orders in a batch exceeds the limit of {most}")
        return [Params(entry if isinstance(entry, dict) else {}) for entry in value]

    def reject(self, *names: str) -> None:
        """For what would change the meaning of a request and is not served: better refused than ignored."""
        for name in names:
            if self.optional(name) not in (None, "0", "false"):
                raise Refused(BAD_PARAMETER, f"params error: {name} is not supported by this exchange")


@cache
def _members(kind: type[StrEnum]) -> Mapping[str, Any]:
    # Looked up here because calling the enumeration costs several times as much.
    return {member.value: member for member in kind}


def invalid(name: str) -> Refused:
    return Refused(BAD_PARAMETER, f"params error: {name} invalid")


def required(name: str) -> Refused:
    return Refused(BAD_PARAMETER, f"params error: {name} is required")


def echo(value: str) -> str:
    """A client's own text as it may stand in an answer: cut, so that nobody is sent back a megabyte."""
    return value if len(value) <= _LONGEST_ECHO else f"{value[:_LONGEST_ECHO]}..."


def _whole(name: str, value: str) -> int:
    # int() also reads "1_000" and " 7", which no exchange does, and fails on thousands of digits.
    digits = value.removeprefix("-")
    if len(value) > _LONGEST_NUMBER or not (digits.isascii() and digits.isdecimal()):
        raise invalid(name)
    return int(value)
