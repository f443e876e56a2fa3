"""The arithmetic that money is reckoned in, whatever else has done to the decimal context of the thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext

_ACCOUNTING = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def accounting() -> AbstractContextManager[Context]:
    """28 digits, half to even, within the `with`.

    A quotient, such as an average price, has to come out the same in every process that reckons it, to the last digit:
    the ledger is compared with what its fills make. Python's own default is the same, but it belongs to the thread, and
    libraries change it for good: ccxt sets the rounding of whoever formats a number with it.
    """
    return localcontext(_ACCOUNTING)
