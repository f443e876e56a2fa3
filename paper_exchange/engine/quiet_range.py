from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple


class QuietRange(NamedTuple):
    """Prices strictly between the two touch nobody."""

    low: Decimal
    high: Decimal


NOTHING_AT_STAKE: Final = QuietRange(Decimal("-Infinity"), Decimal("Infinity"))
"""Of a symbol in which nobody has an order or a position."""
