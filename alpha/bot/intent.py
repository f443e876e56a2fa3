from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from mypy_extensions import mypyc_attr

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.reason import Reason
from alpha.domain.side import Side

_NOTHING: Final = Decimal(0)


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Intent:
    """An order a strategy wants, rounded, before anybody has agreed to it.

    `price` is a limit order's price, `decision_price` the price the decision was made at (the close of the bar). `bar`
    is the instant that names the decision (the start of the bar), `decided_at` when it was made; both market time.
    Whatever is not an entry only reduces, by construction: no reason can be used to slip past the gate.
    """

    symbol: Final[Symbol]
    side: Final[Side]
    quantity: Final[Decimal]
    reason: Final[Reason]
    order_type: Final[OrderType]
    bar: Final[datetime]
    decided_at: Final[datetime]
    decision_price: Final[Decimal | None]
    price: Final[Decimal | None]
    time_in_force: Final[TimeInForce | None]
    take_profit: Final[Decimal | None]
    stop_loss: Final[Decimal | None]

    def __init__(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        reason: Reason,
        order_type: OrderType,
        bar: datetime,
        decided_at: datetime,
        decision_price: Decimal | None,
        price: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> None:
        self.symbol = symbol
        self.side = side
        self.quantity = quantity
        self.reason = reason
        self.order_type = order_type
        self.bar = bar
        self.decided_at = decided_at
        self.decision_price = decision_price
        self.price = price
        self.time_in_force = time_in_force
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        if quantity <= _NOTHING:
            raise InvalidValue(f"{symbol}: an order of {quantity} is not above 0")
        if stop_loss is not None or take_profit is not None:
            self._check_stops()

    def _check_stops(self) -> None:
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
