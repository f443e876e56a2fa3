from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from alpha.domain.errors import InvalidValue
from alpha.domain.side import Direction

ZERO: Final = Decimal(0)


@final
@dataclass(init=False, eq=False, slots=True)
class Position:
    """A holding: signed quantity in base units and the average price of what is open (0 when flat)."""

    quantity: Final[Decimal]
    entry_price: Final[Decimal]

    def __init__(
        self,
        quantity: Decimal,
        entry_price: Decimal,
    ) -> None:
        self.quantity = quantity
        self.entry_price = entry_price
        if quantity:
            if entry_price <= ZERO:
                raise InvalidValue(f"a position of {quantity} needs an entry price above 0")
        elif entry_price:
            raise InvalidValue(f"a flat position has no entry price, not {entry_price}")

    # That of a dataclass makes two tuples first, and every change of a position is compared with what was told before.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Position):
            return NotImplemented
        return self is other or (self.quantity == other.quantity and self.entry_price == other.entry_price)

    def __hash__(self) -> int:
        return hash((self.quantity, self.entry_price))

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


FLAT: Final = Position(ZERO, ZERO)
