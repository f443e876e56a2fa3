"""Amounts of the settle coin carry eight decimals, as Bybit shows them, so that sums of the log are exact."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
_UNIT = Decimal("0.00000001")


def round_amount(amount: Decimal) -> Decimal:
    """To the nearest unit: P&L and margins, where neither direction is the safe one."""
    return amount.quantize(_UNIT, ROUND_HALF_EVEN)


def round_cost(cost: Decimal) -> Decimal:
    """Up to the next unit: fees and funding are never charged too low and never paid out too high."""
    return cost.quantize(_UNIT, ROUND_CEILING)
