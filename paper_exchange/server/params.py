"""Parameters of a request, read one by one. What nobody reads is ignored, as Bybit does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from alpha.domain.clock import from_ms
from paper_exchange.engine import Refused

BAD_PARAMETER = 10001
_LATEST_MS = 253_402_300_799_999

E = TypeVar("E", bound=StrEnum)


class Params:
    """A query string or a JSON body. Every method raises Refused (10001) for a value that cannot be.

    Clients send numbers as text or as JSON numbers, so both are read. An empty text is an absent value.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or value == "":
            return None
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
            raise Refused(BAD_PARAMETER, f"params error: {name} is required")
        return default

    def number(self, name: str) -> Decimal | None:
        value = self.optional(name)
        if value is None:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation as error:
            raise invalid(name) from error
        # The exponent is bounded as well: 1E+999999 is a finite number that no arithmetic here survives.
        if not number.is_finite() or abs(number.adjusted()) > 20:
            raise invalid(name)
        return number

    def required_number(self, name: str) -> Decimal:
        value = self.number(name)
        if value is None:
            raise Refused(BAD_PARAMETER, f"params error: {name} is required")
        return value

    def level(self, name: str) -> Decimal | None:
        """A price at which something shall happen, where both absence and 0 mean none."""
        return self.number(name) or None

    def integer(self, name: str, default: int) -> int:
        value = self.optional(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError as error:
            raise invalid(name) from error

    def limit(self, *, default: int, highest: int) -> int:
        """The size of a page. More than allowed is cut to what is allowed."""
        limit = self.integer("limit", default)
        if limit < 1:
            raise invalid("limit")
        return min(limit, highest)

    def flag(self, name: str) -> bool:
        value = self.text(name, "false").lower()
        if value not in ("true", "false"):
            raise invalid(name)
        return value == "true"

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        value = self.text(name, None if default is None else default.value)
        try:
            return kind(value)
        except ValueError as error:
            raise invalid(name) from error

    def time(self, name: str) -> datetime | None:
        value = self.optional(name)
        if value is None:
            return None
        if not value.isdecimal() or int(value) > _LATEST_MS:
            raise invalid(name)
        return from_ms(int(value))

    def linear(self, default: str | None = None) -> str:
        """The category, which must be the one that is traded here."""
        category = self.text("category", default)
        if category != "linear":
            raise Refused(BAD_PARAMETER, f"Not supported category: {category}; this exchange lists linear only")
        return category

    def reject(self, *names: str) -> None:
        """For what would change the meaning of a request and is not served: better refused than ignored."""
        for name in names:
            if self.optional(name) not in (None, "0", "false"):
                raise Refused(BAD_PARAMETER, f"params error: {name} is not supported by this exchange")


def invalid(name: str) -> Refused:
    return Refused(BAD_PARAMETER, f"params error: {name} invalid")
