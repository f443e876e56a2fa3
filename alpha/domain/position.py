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
        if self.quantity == 0 and self.entry_price != 0:
            raise InvalidValue(f"a flat position has no entry price, not {self.entry_price}")
        if self.quantity != 0 and self.entry_price <= 0:
            raise InvalidValue(f"a position of {self.quantity} needs an entry price above 0")

    @property
    def is_flat(self) -> bool:
        return self.quantity == 0

    @property
    def size(self) -> Decimal:
        return abs(self.quantity)

    @property
    def direction(self) -> Direction | None:
        if self.quantity == 0:
            return None
        return Direction.LONG if self.quantity > 0 else Direction.SHORT

    def unrealized_pnl(self, mark_price: Decimal) -> Decimal:
        """(mark - entry) x signed quantity, in the quote currency."""
        return (mark_price - self.entry_price) * self.quantity


FLAT = Position(ZERO, ZERO)
