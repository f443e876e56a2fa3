from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, final

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.side import Side


@unique
class OrderType(StrEnum):
    MARKET = "Market"
    LIMIT = "Limit"


@unique
class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "PostOnly"


@unique
class OrderStatus(StrEnum):
    """Bybit's order states (https://bybit-exchange.github.io/docs/v5/enum#orderstatus)."""

    UNTRIGGERED = "Untriggered"
    TRIGGERED = "Triggered"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    PARTIALLY_FILLED_CANCELLED = "PartiallyFilledCanceled"
    REJECTED = "Rejected"
    DEACTIVATED = "Deactivated"
    UNKNOWN = "Unknown"
    """Ours, never the exchange's: the order is open no more, and the exchange does not keep how it ended."""

    is_terminal: bool
    """Set below: a look-up by an enum's member costs ten times an attribute, and every report and fill asks."""

    def can_become(self, later: OrderStatus) -> bool:
        """Whether an order in this state may be reported in the later one next."""
        return later in TRANSITIONS[self]


_ENDS = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.PARTIALLY_FILLED_CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.UNKNOWN,
    }
)
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.UNTRIGGERED: _ENDS
    | {OrderStatus.UNTRIGGERED, OrderStatus.TRIGGERED, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}
    | {OrderStatus.DEACTIVATED},
    OrderStatus.TRIGGERED: _ENDS | {OrderStatus.TRIGGERED, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED},
    OrderStatus.NEW: _ENDS | {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED},
    OrderStatus.PARTIALLY_FILLED: _ENDS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.PARTIALLY_FILLED_CANCELLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.DEACTIVATED: frozenset(),
    OrderStatus.UNKNOWN: frozenset(),
}
"""Every move an order may make as seen from outside. States may be skipped: a frame can be lost, and an order filled at
once may be reported as Filled only."""
for _status, _later in TRANSITIONS.items():
    _status.is_terminal = not _later


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Order:
    """An order as the exchange last reported it. Prices that are not set are None."""

    account: Final[AccountName]
    category: Final[str]
    symbol: Final[Symbol]
    order_id: Final[OrderId]
    order_link_id: Final[str]
    side: Final[Side]
    order_type: Final[OrderType]
    time_in_force: Final[str]
    status: Final[OrderStatus]
    price: Final[Decimal | None]
    quantity: Final[Decimal]
    filled_quantity: Final[Decimal]
    average_price: Final[Decimal | None]
    reduce_only: Final[bool]
    position_idx: Final[int]
    create_type: Final[str]
    stop_order_type: Final[str]
    trigger_price: Final[Decimal | None]
    take_profit: Final[Decimal | None]
    stop_loss: Final[Decimal | None]
    reject_reason: Final[str]
    cancel_type: Final[str]
    created_at: Final[datetime]
    updated_at: Final[datetime]

    def __init__(
        self,
        account: AccountName,
        category: str,
        symbol: Symbol,
        order_id: OrderId,
        order_link_id: str,
        side: Side,
        order_type: OrderType,
        time_in_force: str,
        status: OrderStatus,
        price: Decimal | None,
        quantity: Decimal,
        filled_quantity: Decimal,
        average_price: Decimal | None,
        reduce_only: bool,
        position_idx: int,
        create_type: str,
        stop_order_type: str,
        trigger_price: Decimal | None,
        take_profit: Decimal | None,
        stop_loss: Decimal | None,
        reject_reason: str,
        cancel_type: str,
        created_at: datetime,
        updated_at: datetime,
    ) -> None:
        self.account = account
        self.category = category
        self.symbol = symbol
        self.order_id = order_id
        self.order_link_id = order_link_id
        self.side = side
        self.order_type = order_type
        self.time_in_force = time_in_force
        self.status = status
        self.price = price
        self.quantity = quantity
        self.filled_quantity = filled_quantity
        self.average_price = average_price
        self.reduce_only = reduce_only
        self.position_idx = position_idx
        self.create_type = create_type
        self.stop_order_type = stop_order_type
        self.trigger_price = trigger_price
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.reject_reason = reject_reason
        self.cancel_type = cancel_type
        self.created_at = created_at
        self.updated_at = updated_at
        require_aware(created_at)
        require_aware(updated_at)
        if quantity < 0 or filled_quantity < 0:
            raise InvalidValue(f"order {order_id}: quantities must not be negative")

    def superseded_by(self, later: Order) -> bool:
        """Whether a report replaces this one: the latest state is kept and never goes backwards.

        Reports of one order come through stream and REST in any order. A terminal order never changes; otherwise more
        filled, or a later state at the same or a later time, wins.
        """
        if self.order_id != later.order_id:
            raise InvalidValue(f"order {later.order_id} is not order {self.order_id}")
        if self.status.is_terminal:
            return False
        if later.status.is_terminal:
            return True
        if later.filled_quantity != self.filled_quantity:
            return later.filled_quantity > self.filled_quantity
        return self.status.can_become(later.status) and later.updated_at >= self.updated_at
