from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from alpha.domain.errors import InvariantViolated
from alpha.domain.instrument import Instrument
from paper_exchange.engine.margin import maintenance_rate
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.requests import FeeRates

if TYPE_CHECKING:
    from paper_exchange.engine.account import Account
    from paper_exchange.engine.holding import Holding
    from paper_exchange.engine.working_order import WorkingOrder


class Market:
    """One symbol: its rules, its prices now, and who has something at stake in it.

    `resting` and `holders` are what the path of a bar can touch; while both are empty a bar costs nothing.
    """

    __slots__ = (
        "_seq",
        "basis",
        "fees",
        "holders",
        "instrument",
        "last_price",
        "maintenance_rate",
        "mark_price",
        "resting",
        "volume",
    )

    def __init__(self, instrument: Instrument, fees: FeeRates) -> None:
        self.instrument = instrument
        self.fees = fees
        self.maintenance_rate = maintenance_rate(instrument)
        self.last_price: Decimal = ZERO
        self.mark_price: Decimal = ZERO
        self.basis: Decimal = ZERO
        self.volume: Decimal = ZERO
        self.resting: dict[str, tuple[Account, WorkingOrder]] = {}
        self.holders: dict[tuple[int, int], tuple[Account, Holding]] = {}
        self._seq = 0

    @property
    def has_price(self) -> bool:
        return self.last_price > 0

    @property
    def is_touched(self) -> bool:
        """Whether a move of the price can do anything to anybody."""
        return bool(self.resting or self.holders)

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def move(self, price: Decimal) -> None:
        """The last price is now `price`; the mark follows at the basis of the bar before."""
        self.last_price = price
        self.mark_price = max(price + self.basis, self.instrument.tick_size) if self.basis else price

    def close_bar(self, price: Decimal, mark_price: Decimal) -> None:
        if price <= 0 or mark_price <= 0:
            raise InvariantViolated(f"{self.instrument.symbol}: close {price} and mark {mark_price} must be above 0")
        self.last_price = price
        self.mark_price = mark_price
        self.basis = mark_price - price

    def fee_rate(self, *, is_maker: bool) -> Decimal:
        return self.fees.maker if is_maker else self.fees.taker
