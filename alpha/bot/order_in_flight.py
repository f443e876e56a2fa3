from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from pydantic import GetCoreSchemaHandler

from alpha.bot.kept_state import CoreSchema, kept_by_init
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus, OrderType

ZERO: Final = Decimal(0)
_LIMIT: Final = OrderType.LIMIT


@final
@dataclass(init=False, slots=True)
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

    def __init__(
        self,
        order_link_id: str,
        symbol: Symbol,
        quantity: Decimal,
        price: Decimal,
        opens_risk: bool,
        order_type: OrderType,
        sent_at: datetime,
        status: OrderStatus | None = None,
        told: Decimal = ZERO,
        heard: Decimal = ZERO,
    ) -> None:
        self.order_link_id = order_link_id
        self.symbol = symbol
        self.quantity = quantity
        self.price = price
        self.opens_risk = opens_risk
        self.order_type = order_type
        self.sent_at = sent_at
        self.status = status
        self.told = told
        self.heard = heard

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept_by_init(
            cls,
            handler,
            order_link_id=str,
            symbol=Symbol,
            quantity=Decimal,
            price=Decimal,
            opens_risk=bool,
            order_type=OrderType,
            sent_at=datetime,
            status=OrderStatus | None,
            told=Decimal,
            heard=Decimal,
        )

    @property
    def is_terminal(self) -> bool:
        status = self.status
        return status is not None and status.is_terminal

    @property
    def is_resting_entry(self) -> bool:
        return self.opens_risk and self.order_type is _LIMIT and not self.is_terminal

    @property
    def open_notional(self) -> Decimal:
        """What the order may still add, in the quote currency."""
        if not self.opens_risk:
            return ZERO
        expected = self.told if self.is_terminal else self.quantity
        return max(expected - self.heard, ZERO) * self.price
