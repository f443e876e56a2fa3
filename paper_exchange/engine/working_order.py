from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.engine.events import OrderState
from paper_exchange.engine.money import ZERO

NO_ERROR = "EC_NoError"
UNKNOWN = "UNKNOWN"


class WorkingOrder:
    """An order while the engine works on it. Whoever is told about it gets a snapshot.

    `is_pending` is True from its arrival (or amendment) to the next open, when it is matched. `takes_stops` is True
    until its take profit and stop loss were put on the position.
    """

    __slots__ = (
        "cancel_type",
        "close_on_trigger",
        "closed_pnl",
        "create_type",
        "created_at",
        "fee",
        "fill_count",
        "filled_quantity",
        "filled_value",
        "is_pending",
        "last_price_on_created",
        "order_id",
        "order_link_id",
        "order_type",
        "parent_order_link_id",
        "position_idx",
        "price",
        "quantity",
        "reduce_only",
        "reject_reason",
        "side",
        "state",
        "status",
        "stop_loss",
        "stop_order_type",
        "symbol",
        "take_profit",
        "takes_stops",
        "time_in_force",
        "trigger_by",
        "trigger_direction",
        "trigger_price",
        "uid",
        "updated_at",
    )  # fmt: skip

    def __init__(
        self,
        *,
        uid: int,
        symbol: Symbol,
        position_idx: int,
        order_id: OrderId,
        order_link_id: str,
        side: Side,
        order_type: OrderType,
        time_in_force: TimeInForce,
        status: OrderStatus,
        price: Decimal | None,
        quantity: Decimal,
        reduce_only: bool,
        close_on_trigger: bool,
        last_price_on_created: Decimal,
        created_at: datetime,
        create_type: str = "CreateByUser",
        stop_order_type: str = "",
        trigger_price: Decimal | None = None,
        trigger_direction: int = 0,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
        parent_order_link_id: str = "",
    ) -> None:
        self.uid = uid
        self.symbol = symbol
        self.position_idx = position_idx
        self.order_id = order_id
        self.order_link_id = order_link_id
        self.parent_order_link_id = parent_order_link_id
        self.side = side
        self.order_type = order_type
        self.time_in_force = time_in_force
        self.status = status
        self.price = price
        self.quantity = quantity
        self.filled_quantity = ZERO
        self.filled_value = ZERO
        self.fee = ZERO
        self.closed_pnl = ZERO
        self.fill_count = 0
        self.reduce_only = reduce_only
        self.close_on_trigger = close_on_trigger
        self.create_type = create_type
        self.stop_order_type = stop_order_type
        self.trigger_price = trigger_price
        self.trigger_direction = trigger_direction
        self.trigger_by = "LastPrice" if stop_order_type else ""
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.reject_reason = NO_ERROR
        self.cancel_type = UNKNOWN
        self.last_price_on_created = last_price_on_created
        self.created_at = created_at
        self.updated_at = created_at
        self.is_pending = False
        self.takes_stops = take_profit is not None or stop_loss is not None
        self.state = self._snapshot()

    @property
    def is_open(self) -> bool:
        return not self.status.is_terminal

    @property
    def is_stop(self) -> bool:
        """Whether it is a take profit, stop loss or trailing stop of the position, made by the exchange."""
        return self.stop_order_type != ""

    @property
    def leaves_quantity(self) -> Decimal:
        return self.quantity - self.filled_quantity if self.is_open else ZERO

    @property
    def sort_key(self) -> tuple[int, str]:
        """Where it stands among the orders of one instant, whenever it arrived."""
        return self.uid, self.order_link_id or self.order_id

    def fill(self, quantity: Decimal, value: Decimal, fee: Decimal, closed_pnl: Decimal, at: datetime) -> None:
        """One more execution. Raises InvariantViolated when it would fill more than is left."""
        if quantity <= 0 or quantity > self.leaves_quantity:
            raise InvariantViolated(f"order {self.order_id}: {quantity} filled of {self.leaves_quantity} left")
        self.filled_quantity += quantity
        self.filled_value += value
        self.fee += fee
        self.closed_pnl += closed_pnl
        self.fill_count += 1
        full = self.filled_quantity == self.quantity
        self.become(OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED, at)

    def become(
        self, status: OrderStatus, at: datetime, *, reject_reason: str = NO_ERROR, cancel_type: str = UNKNOWN
    ) -> None:
        """Raises InvariantViolated for a move that the order state machine does not have."""
        if not self.status.can_become(status):
            raise InvariantViolated(f"order {self.order_id} is {self.status} and cannot become {status}")
        self.status = status
        self.updated_at = at
        self.reject_reason = reject_reason
        self.cancel_type = cancel_type

    def refresh(self) -> OrderState:
        """The snapshot of the order as it is now, kept as the latest."""
        self.state = self._snapshot()
        return self.state

    def _snapshot(self) -> OrderState:
        return OrderState(
            uid=self.uid,
            symbol=self.symbol,
            position_idx=self.position_idx,
            order_id=self.order_id,
            order_link_id=self.order_link_id,
            parent_order_link_id=self.parent_order_link_id,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            status=self.status,
            price=self.price,
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            leaves_quantity=self.leaves_quantity,
            filled_value=self.filled_value,
            average_price=self.filled_value / self.filled_quantity if self.filled_quantity else None,
            fee=self.fee,
            closed_pnl=self.closed_pnl,
            reduce_only=self.reduce_only,
            close_on_trigger=self.close_on_trigger,
            create_type=self.create_type,
            stop_order_type=self.stop_order_type,
            trigger_price=self.trigger_price,
            trigger_direction=self.trigger_direction,
            trigger_by=self.trigger_by,
            take_profit=self.take_profit,
            stop_loss=self.stop_loss,
            tpsl_mode="Full" if self.is_stop or self.take_profit is not None or self.stop_loss is not None else "",
            reject_reason=self.reject_reason,
            cancel_type=self.cancel_type,
            last_price_on_created=self.last_price_on_created,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )
