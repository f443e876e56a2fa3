from __future__ import annotations

from decimal import Decimal


class InsuranceFund:
    """What the exchange gains and loses on positions it takes over.

    `balance` None is a fund without a bottom, which bears everything, so that nobody is ever deleveraged.
    """

    __slots__ = ("balance",)

    def __init__(self, balance: Decimal | None) -> None:
        self.balance = balance

    def bears(self, result: Decimal) -> bool:
        """Whether a gain or loss (below 0) leaves the fund with something."""
        return self.balance is None or self.balance + result >= 0

    def add(self, result: Decimal) -> None:
        if self.balance is not None:
            self.balance += result
