from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import OrderId
from alpha.domain.order import TRANSITIONS, OrderStatus
from paper_exchange.engine.events import OrderState
from paper_exchange.engine.members import FILLED, IOC, MARKET, NEW, PARTIALLY_FILLED, UNTRIGGERED
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.requests import OrderRequest
from paper_exchange.engine.stop_kind import CONDITIONAL

if TYPE_CHECKING:
    from paper_exchange.engine.holding import Holding
    from paper_exchange.engine.reservations import Share

NO_ERROR: Final = "EC_NoError"
UNKNOWN: Final = "UNKNOWN"


class WorkingOrder:
    """An order while the engine works on it. Whoever asks for one gets a snapshot, made when somebody does.

    `holding` is the position it acts on. `request` is what was asked for it, as amended: what is not an attribute here
    is read there. `closes` says that it may only reduce the position, whatever made it so. `is_pending` is True from
    its arrival (or an amendment that costs its priority) to the next open, when it is matched. `takes_stops` is True
    while its fills still have take profit and stop loss to put on the position; `attached` are those of mode Partial
    that it has put there last, and `attached_before` how much those that have ended since covered. `sibling` is the
    other one of a pair of take profit and stop loss that were made together: when one is triggered or cancelled the
    other ends as well. `share` is what it occupies of the margin, for `Reservations` alone.
    """

    __slots__ = (
        "attached",
        "attached_before",
        "cancel_type",
        "closed_pnl",
        "closes",
        "create_type",
        "created_at",
        "fee",
        "fill_count",
        "filled_quantity",
        "filled_value",
        "holding",
        "is_open",
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
        "request",
        "share",
        "sibling",
        "side",
        "snapshot",
        "status",
        "stop_loss",
        "stop_order_type",
        "symbol",
        "take_profit",
        "takes_stops",
        "time_in_force",
        "told_trigger_price",
        "trigger_by",
        "trigger_price",
        "uid",
        "updated_at",
    )  # fmt: skip

    def __init__(
        self,
        holding: Holding,
        request: OrderRequest,
        order_id: OrderId,
        quantity: Decimal,
        at: datetime,
        create_type: str = "CreateByUser",
        stop_order_type: str = "",
        parent_order_link_id: str = "",
    ) -> None:
        """`quantity` is what was accepted of the request. An order of the position's closing side only reduces it."""
        # each attribute of the request once: it is no object of compiled code, which reads others slowly
        side, order_type, trigger_price = request.side, request.order_type, request.trigger_price
        is_market = order_type is MARKET
        take_profit, stop_loss = request.take_profit, request.stop_loss
        self.uid = holding.uid
        self.holding = holding
        self.request = request
        self.symbol = holding.symbol
        self.position_idx = holding.position_idx
        self.order_id = order_id
        self.order_link_id = request.order_link_id
        self.parent_order_link_id = parent_order_link_id
        self.side = side
        self.order_type = order_type
        self.time_in_force = IOC if is_market else request.time_in_force
        self.status: OrderStatus = NEW if trigger_price is None else UNTRIGGERED
        self.is_open = True
        self.price = None if is_market else request.price
        self.quantity = quantity
        self.filled_quantity = ZERO
        self.filled_value = ZERO
        self.fee = ZERO
        self.closed_pnl = ZERO
        self.fill_count = 0
        self.reduce_only = side is holding.closing_side or request.reduce_only
        self.closes = self.reduce_only or request.close_on_trigger
        self.create_type = create_type
        self.stop_order_type = stop_order_type
        self.trigger_price = trigger_price
        self.trigger_by = request.trigger_by
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.reject_reason = NO_ERROR
        self.cancel_type = UNKNOWN
        self.last_price_on_created = holding.market.last_price
        self.created_at = at
        self.updated_at = at
        self.is_pending = False
        self.snapshot: OrderState | None = None
        self.told_trigger_price: Decimal | None = None
        self.takes_stops = take_profit is not None or stop_loss is not None
        self.attached: tuple[WorkingOrder, ...] = ()
        self.attached_before = ZERO
        self.sibling: WorkingOrder | None = None
        self.share: Share | None = None

    @property
    def sort_key(self) -> tuple[int, str]:
        """Where it stands among the orders of one instant, whenever it arrived."""
        return self.uid, self.order_link_id or self.order_id

    @property
    def is_untriggered(self) -> bool:
        return self.status is UNTRIGGERED

    @property
    def is_position_stop(self) -> bool:
        """Whether it is a take profit, stop loss or trailing stop of the position, made by the exchange."""
        return self.stop_order_type != "" and self.stop_order_type != CONDITIONAL

    def holds_margin(self) -> bool:
        """Whether it could open a position from where it stands now."""
        return self.is_open and not self.closes and self.status is not UNTRIGGERED

    @property
    def leaves_quantity(self) -> Decimal:
        return self.unfilled() if self.is_open else ZERO

    def unfilled(self) -> Decimal:
        """What it has not filled of its quantity, also when it is over."""
        return self.quantity - self.filled_quantity if self.fill_count else self.quantity

    def fill(self, quantity: Decimal, value: Decimal, fee: Decimal, closed_pnl: Decimal, at: datetime) -> Decimal:
        """One more execution. Gives what is left; raises InvariantViolated when it would fill more than was."""
        whole = self.unfilled()
        # mostly they are the very same
        left = ZERO if quantity is whole else whole - quantity
        if quantity <= ZERO or left < ZERO or not self.is_open:
            raise InvariantViolated(f"order {self.order_id}: {quantity} filled of {self.leaves_quantity} left")
        if self.fill_count:
            self.filled_quantity += quantity
            self.filled_value += value
            self.fee += fee
            self.closed_pnl += closed_pnl
        else:
            self.filled_quantity, self.filled_value, self.fee, self.closed_pnl = quantity, value, fee, closed_pnl
        self.fill_count += 1
        if left:
            self.become(PARTIALLY_FILLED, at)
            return left
        self.become(FILLED, at)
        return ZERO

    def become(
        self, status: OrderStatus, at: datetime, reject_reason: str = NO_ERROR, cancel_type: str = UNKNOWN
    ) -> None:
        """Raises InvariantViolated for a move that the order state machine does not have."""
        if status is not self.status:
            if status not in TRANSITIONS[self.status]:
                raise InvariantViolated(f"order {self.order_id} is {self.status} and cannot become {status}")
            self.status = status
            self.is_open = not status.is_terminal
        elif not self.is_open:
            raise InvariantViolated(f"order {self.order_id} is {self.status} and stays so")
        self.updated_at = at
        self.reject_reason = reject_reason
        self.cancel_type = cancel_type

    def told(self) -> OrderState:
        """A snapshot of the order as it is, made when somebody asks. Nothing of an order changes without being told."""
        if self.snapshot is None:
            self.snapshot = OrderState(
                self.uid,
                self.symbol,
                self.position_idx,
                self.order_id,
                self.order_link_id,
                self.parent_order_link_id,
                self.side,
                self.order_type,
                self.time_in_force,
                self.status,
                self.price,
                self.quantity,
                self.filled_quantity,
                self.filled_value,
                self.fee,
                self.closed_pnl,
                self.reduce_only,
                self.create_type,
                self.stop_order_type,
                self.trigger_price,
                self.trigger_by,
                self.take_profit,
                self.stop_loss,
                self.reject_reason,
                self.cancel_type,
                self.last_price_on_created,
                self.created_at,
                self.updated_at,
                self.request,
            )
        return self.snapshot


def told_last(order: WorkingOrder | OrderState) -> OrderState:
    """What was told last of an order that is worked on still, or of which only that is kept."""
    return order.told() if isinstance(order, WorkingOrder) else order
