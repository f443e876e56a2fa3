from __future__ import annotations

from decimal import Decimal
from typing import Final, final


@final
class QuietRange:
    """Prices strictly between the two touch nobody."""

    __slots__ = ("high", "low")

    def __init__(self, low: Decimal, high: Decimal) -> None:
        self.low = low
        self.high = high


NOTHING_AT_STAKE: Final = QuietRange(Decimal("-Infinity"), Decimal("Infinity"))
"""Of a symbol in which nobody has an order or a position."""
