"""Text of numbers and times as they stand on the wire."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import to_ms


def text(number: Decimal) -> str:
    """A number without exponent and without trailing zeros."""
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def price(number: Decimal | None, unset: str = "") -> str:
    return unset if number is None else text(number)


def ms(time: datetime) -> str:
    return str(to_ms(time))
