"""What we send: an order, the stops of a position, and which orders are to be cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto, unique
from typing import Final

import msgspec

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.order_link_id import is_valid_order_link_id
from alpha.domain.side import Side

_NOTHING = Decimal(0)
_MARKET: Final = OrderType.MARKET


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """An order to place, already rounded to the instrument's filters.

    `order_link_id` is made and stored before sending. `stop_loss` and `take_profit` attached to an entry become
    stops of the whole position.
    """

    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal
    order_link_id: str
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    reduce_only: bool = False
    close_on_trigger: bool = False
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    position_idx: int = 0

    def __post_init__(self) -> None:
        if not is_valid_order_link_id(self.order_link_id):
            raise InvalidValue(f"order link id {self.order_link_id!r} must be 1 to 36 of [A-Za-z0-9_-]")
        if self.quantity <= _NOTHING:
            raise InvalidValue(f"order {self.order_link_id}: quantity {self.quantity} must be above 0")
        if (self.price is None) != (self.order_type is _MARKET):
            raise InvalidValue(f"order {self.order_link_id}: a limit order has a price and a market order has none")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStop:
    """Stops of a whole position. None leaves a value as it is, 0 removes it. `trailing_stop` is a price distance,
    `active_price` the price from which it trails."""

    symbol: Symbol
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: Decimal | None = None
    active_price: Decimal | None = None
    position_idx: int = 0


@unique
class CancelKind(Enum):
    """Which of the open orders are cancelled together."""

    EVERYTHING = auto()
    ACTIVE = auto()
    """What may fill now: limit orders, and market orders still on their way."""
    CONDITIONAL = auto()
    """What waits for a trigger of its own. The stops of positions stay."""
