from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus, OrderType

ZERO = Decimal(0)


@dataclass(slots=True)
class OrderInFlight:
    """`status` is None until the exchange has said anything. `told` is the filled quantity by the order's reports,
    `heard` by the fills that reached the bot. Times are market time."""

    order_link_id: str
    symbol: Symbol
    quantity: Decimal
    price: Decimal
    opens_risk: bool
    order_type: OrderType
    sent_at: datetime
    status: OrderStatus | None = None
    told: Decimal = ZERO
    heard: Decimal = ZERO

    @property
    def is_terminal(self) -> bool:
        status = self.status
        return status is not None and status.is_terminal

    @property
    def is_resting_entry(self) -> bool:
        return self.opens_risk and self.order_type is OrderType.LIMIT and not self.is_terminal

    @property
    def open_notional(self) -> Decimal:
        """What the order may still add, in the quote currency."""
        if not self.opens_risk:
            return ZERO
        expected = self.told if self.is_terminal else self.quantity
        return max(expected - self.heard, ZERO) * self.price
