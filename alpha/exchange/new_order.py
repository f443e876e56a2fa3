"""What we send: an order, the stops of a position, and which orders are to be cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto, unique
from typing import Final, final

from mypy_extensions import mypyc_attr

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.order_link_id import is_valid_order_link_id
from alpha.domain.side import Side

_NOTHING: Final = Decimal(0)
_MARKET: Final = OrderType.MARKET


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class NewOrder:
    """An order to place, already rounded to the instrument's filters.

    `order_link_id` is made and stored before sending. `stop_loss` and `take_profit` attached to an entry become
    stops of the whole position.
    """

    symbol: Final[Symbol]
    side: Final[Side]
    order_type: Final[OrderType]
    quantity: Final[Decimal]
    order_link_id: Final[str]
    price: Final[Decimal | None]
    time_in_force: Final[TimeInForce | None]
    reduce_only: Final[bool]
    close_on_trigger: Final[bool]
    take_profit: Final[Decimal | None]
    stop_loss: Final[Decimal | None]
    position_idx: Final[int]

    def __init__(
        self,
        symbol: Symbol,
        side: Side,
        order_type: OrderType,
        quantity: Decimal,
        order_link_id: str,
        price: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        reduce_only: bool = False,
        close_on_trigger: bool = False,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
        position_idx: int = 0,
    ) -> None:
        self.symbol = symbol
        self.side = side
        self.order_type = order_type
        self.quantity = quantity
        self.order_link_id = order_link_id
        self.price = price
        self.time_in_force = time_in_force
        self.reduce_only = reduce_only
        self.close_on_trigger = close_on_trigger
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.position_idx = position_idx
        if not is_valid_order_link_id(order_link_id):
            raise InvalidValue(f"order link id {order_link_id!r} must be 1 to 36 of [A-Za-z0-9_-]")
        if quantity <= _NOTHING:
            raise InvalidValue(f"order {order_link_id}: quantity {quantity} must be above 0")
        if (price is None) != (order_type is _MARKET):
            raise InvalidValue(f"order {order_link_id}: a limit order has a price and a market order has none")


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
