from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.reason import Reason
from alpha.domain.side import Side

_NOTHING = Decimal(0)


class Intent(msgspec.Struct, frozen=True, gc=False):
    """An order a strategy wants, rounded, before anybody has agreed to it.

    `price` is a limit order's price, `decision_price` the price the decision was made at (the close of the bar). `bar`
    is the instant that names the decision (the start of the bar), `decided_at` when it was made; both market time.
    Whatever is not an entry only reduces, by construction: no reason can be used to slip past the gate.
    """

    symbol: Symbol
    side: Side
    quantity: Decimal
    reason: Reason
    order_type: OrderType
    bar: datetime
    decided_at: datetime
    decision_price: Decimal | None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None

    def __post_init__(self) -> None:
        if self.quantity <= _NOTHING:
            raise InvalidValue(f"{self.symbol}: an order of {self.quantity} is not above 0")
        if self.stop_loss is None and self.take_profit is None:
            return
        reference = self.price or self.decision_price
        if reference is None:
            return
        for name, stop, direction in (
            ("stop loss", self.stop_loss, -self.side.sign),
            ("take profit", self.take_profit, self.side.sign),
        ):
            if stop is not None and (stop - reference) * direction <= 0:
                raise InvalidValue(
                    f"{self.symbol}: {name} {stop} is on the wrong side of {reference} for a {self.side.value} order"
                )

    @property
    def opens_risk(self) -> bool:
        return self.reason.opens_risk

    @property
    def reduce_only(self) -> bool:
        return not self.opens_risk

    @property
    def reference_price(self) -> Decimal | None:
        """The price the order is expected to fill near."""
        return self.price or self.decision_price

    @property
    def notional(self) -> Decimal | None:
        price = self.reference_price
        return None if price is None else price * self.quantity
