"""Values as Bybit writes them: numbers as decimal text without exponent, times as milliseconds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import to_ms


def number(value: Decimal) -> str:
    """`Decimal("1.50")` to `1.5`, never `1E+3`."""
    text = str(value)
    # str is several times faster than format, and has an exponent only for what lies far from 1.
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def number_or(value: Decimal | None, unset: str) -> str:
    return unset if value is None else number(value)


def bound(value: Decimal) -> str:
    """A bound, "0" where there is none: clients read a decimal number and know no Infinity."""
    return number(value) if value.is_finite() else "0"


def ms_text(time: datetime) -> str:
    return str(to_ms(time))
