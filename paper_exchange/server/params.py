"""Reading what a request says. Unknown fields are ignored, as Bybit ignores them; wrong ones are retCode 10001."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.engine import Refused

_MAX_TEXT = 64
_MAX_MS = 4_102_444_800_000
WINDOW = timedelta(days=7)


class Params:
    """The fields of one request; query strings and JSON bodies alike. Every reader raises Refused 10001."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        value = self._fields.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool | list | dict):
            raise wrong(name)
        return str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Refused(10001, f"params error: {name} is required")
        return value

    def symbol(self) -> Symbol | None:
        value = self.text("symbol")
        return Symbol(value) if value else None

    def category(self) -> str:
        """Raises Refused for a category that the paper exchange does not serve."""
        value = self.text("category", "linear")
        if value != "linear":
            raise Refused(10001, f"category {value[:_MAX_TEXT]} is not supported here: this exchange serves linear")
        return value

    def number(self, name: str) -> Decimal | None:
        """A number above or equal 0, None when it is not given."""
        value = self.text(name)
        if not value:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise wrong(name) from None
        if not number.is_finite() or number < 0 or number.adjusted() > 20 or number.as_tuple().exponent < -20:  # type: ignore[operator]
            raise wrong(name)
        return number

    def required_number(self, name: str) -> Decimal:
        number = self.number(name)
        if number is None:
            raise Refused(10001, f"params error: {name} is required")
        return number

    def price(self, name: str) -> Decimal | None:
        """A price above 0; unset, empty and 0 are all no price."""
        return self.number(name) or None

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            raise wrong(name) from None
        if not least <= number <= most:
            raise wrong(name)
        return number

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if isinstance(value, bool):
            return value
        return str(value).lower() == "true" if value is not None else False

    def time(self, name: str) -> datetime | None:
        value = self.text(name)
        if not value:
            return None
        if not (value.isascii() and value.isdigit()) or int(value) > _MAX_MS:
            raise wrong(name)
        return from_ms(int(value))

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """startTime and endTime by the rules of the history lists: at most 7 days, the last 7 when none is given."""
        start, end = self.time("startTime"), self.time("endTime")
        if start is None and end is None:
            return now - WINDOW, now
        if start is None:
            assert end is not None
            return end - WINDOW, end
        if end is None:
            return start, start + WINDOW
        if end < start:
            raise Refused(10001, "params error: startTime is after endTime")
        if end - start > WINDOW:
            raise Refused(10001, "The time range between startTime and endTime cannot exceed 7 days")
        return start, end


def wrong(name: str) -> Refused:
    return Refused(10001, f"params error: {name[:_MAX_TEXT]} invalid")
