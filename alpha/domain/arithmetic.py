"""The arithmetic that money is reckoned in, whatever else has done to the decimal context of the thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Final

_ACCOUNTING = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

# A whole number out of any, in contexts of their own: that takes less than half as long as to name the rounding each
# time, and every order needs several.
whole_down: Final[Callable[[Decimal], Decimal]] = Context(rounding=ROUND_DOWN).to_integral_value
"""Towards 0."""
whole_floor: Final[Callable[[Decimal], Decimal]] = Context(rounding=ROUND_FLOOR).to_integral_value
whole_ceiling: Final[Callable[[Decimal], Decimal]] = Context(rounding=ROUND_CEILING).to_integral_value
whole_nearest: Final[Callable[[Decimal], Decimal]] = Context(rounding=ROUND_HALF_EVEN).to_integral_value


def accounting() -> AbstractContextManager[Context]:
    """28 digits, half to even, within the `with`.

    A quotient, such as an average price, has to come out the same in every process that reckons it, to the last digit:
    the ledger is compared with what its fills make. Python's own default is the same, but it belongs to the thread, and
    libraries change it for good: ccxt sets the rounding of whoever formats a number with it.
    """
    return localcontext(_ACCOUNTING)
