"""Amounts of the settle coin carry eight decimals, as Bybit shows them, so that sums of the log are exact."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

ZERO: Final = Decimal(0)
_UNIT: Final = Decimal("0.00000001")
# Bound to contexts of their own, which takes half as long as to name the rounding each time.
_to_nearest: Final = Context(prec=28, rounding=ROUND_HALF_EVEN).quantize
_up: Final = Context(prec=28, rounding=ROUND_CEILING).quantize


def round_amount(amount: Decimal) -> Decimal:
    """To the nearest unit: P&L and margins, where neither direction is the safe one."""
    return _to_nearest(amount, _UNIT)


def round_cost(cost: Decimal) -> Decimal:
    """Up to the next unit: fees and funding are never charged too low and never paid out too high."""
    return _up(cost, _UNIT)
