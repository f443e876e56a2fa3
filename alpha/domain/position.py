from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from alpha.domain.errors import InvalidValue
from alpha.domain.quick_init import quick_init
from alpha.domain.side import Direction

ZERO = Decimal(0)


@quick_init
@dataclass(frozen=True, slots=True)
class Position:
    """A holding: signed quantity in base units and the average price of what is open (0 when flat)."""

    quantity: Decimal
    entry_price: Decimal

    def __post_init__(self) -> None:
        if self.quantity:
            if self.entry_price <= ZERO:
                raise InvalidValue(f"a position of {self.quantity} needs an entry price above 0")
        elif self.entry_price:
            raise InvalidValue(f"a flat position has no entry price, not {self.entry_price}")

    @property
    def is_flat(self) -> bool:
        return not self.quantity

    @property
    def size(self) -> Decimal:
        return abs(self.quantity)

    @property
    def direction(self) -> Direction | None:
        if not self.quantity:
            return None
        return Direction.SHORT if self.quantity.is_signed() else Direction.LONG

    def unrealized_pnl(self, mark_price: Decimal) -> Decimal:
        """(mark - entry) x signed quantity, in the quote currency."""
        return (mark_price - self.entry_price) * self.quantity


FLAT = Position(ZERO, ZERO)
