"""What the engine tells: immutable snapshots in the order in which they happened.

Times are the market clock. Prices that are not set are None. Rendering to Bybit's JSON is the server's work.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.engine.execution import Execution
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.position_state import PositionState
from paper_exchange.engine.requests import OrderRequest, TpslMode, TriggerBy
from paper_exchange.engine.stop_kind import CONDITIONAL, StopKind
from paper_exchange.engine.wallet import Wallet

__all__ = ["Event", "Execution", "OrderState", "PositionState", "Transaction", "Wallet"]


class OrderState(msgspec.Struct, frozen=True, gc=False):
    """An order after a change.

    `price` is the limit (for a market order its internal bound once matched, before that None). `leaves_quantity` is 0
    in every terminal state, so what is unfilled is `quantity - filled_quantity`. `closed_pnl` is what the order
    closed, fees of opening and closing deducted. `stop_order_type`, `trigger_by`, `tpsl_mode`, `tp_trigger_by` and
    `sl_trigger_by` are "" where Bybit leaves them unset; `trigger_direction` is 0 unset, 1 rise, 2 fall. `take_profit`
    and what begins with tp or sl are what the order will put on the position when it fills. `slippage_tolerance` counts
    in ticks or percent (`slippage_tolerance_type` "TickSize" or "Percent"; None and "" without). `request` is what was
    asked for it, as amended by then; `watched` the price that a trigger of it would watch.

    Its fields are filled by place, in this order, because that costs a tenth of naming them. They are no more than 30:
    for a call with more arguments CPython first makes a list of them, then a tuple, which takes twice as long.
    """

    uid: int
    symbol: Symbol
    position_idx: int
    order_id: OrderId
    order_link_id: str
    parent_order_link_id: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    status: OrderStatus
    price: Decimal | None
    quantity: Decimal
    filled_quantity: Decimal
    filled_value: Decimal
    fee: Decimal
    closed_pnl: Decimal
    reduce_only: bool
    create_type: str
    stop_order_type: str
    trigger_price: Decimal | None
    watched: TriggerBy
    take_profit: Decimal | None
    stop_loss: Decimal | None
    reject_reason: str
    cancel_type: str
    last_price_on_created: Decimal
    created_at: datetime
    updated_at: datetime
    request: OrderRequest

    @property
    def leaves_quantity(self) -> Decimal:
        return ZERO if self.status.is_terminal else self.quantity - self.filled_quantity

    @property
    def close_on_trigger(self) -> bool:
        return self.request.close_on_trigger

    @property
    def trigger_direction(self) -> int:
        return self.request.trigger_direction

    @property
    def trigger_by(self) -> str:
        return self.watched.value if self.stop_order_type else ""

    @property
    def brings_stops(self) -> bool:
        """Whether it will put a take profit or stop loss on the position."""
        return self.take_profit is not None or self.stop_loss is not None

    @property
    def tpsl_mode(self) -> str:
        if self.brings_stops:
            return self.request.tpsl_mode.value
        if not self.stop_order_type or self.stop_order_type == CONDITIONAL:
            return ""
        return (TpslMode.PARTIAL if StopKind(self.stop_order_type).is_partial else TpslMode.FULL).value

    @property
    def tp_trigger_by(self) -> str:
        return "" if self.take_profit is None else self.request.tp_trigger_by.value

    @property
    def sl_trigger_by(self) -> str:
        return "" if self.stop_loss is None else self.request.sl_trigger_by.value

    @property
    def tp_limit_price(self) -> Decimal | None:
        return self.request.tp_limit_price if self.brings_stops else None

    @property
    def sl_limit_price(self) -> Decimal | None:
        return self.request.sl_limit_price if self.brings_stops else None

    @property
    def slippage_tolerance_type(self) -> str:
        return self.request.slippage_tolerance_type

    @property
    def slippage_tolerance(self) -> Decimal | None:
        return self.request.slippage_tolerance

    @property
    def average_price(self) -> Decimal | None:
        """The value-weighted price of its fills, None before the first."""
        return self.filled_value / self.filled_quantity if self.filled_quantity else None


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """One row of the transaction log: `change` = `cash_flow` + `funding` - `fee`, and `balance` is what it left.

    `type` is Bybit's: TRADE, SETTLEMENT (funding), LIQUIDATION, ADL; what the account was opened with has no row.
    `funding` > 0 was received, the opposite sign of an execution's fee. `size` is the signed position after it. `side`
    is None where Bybit says "None". `id` is unique; `trade_id` is the execution's id.
    """

    uid: int
    id: str
    time: datetime
    type: str
    symbol: str
    side: Side | None
    quantity: Decimal
    size: Decimal
    price: Decimal
    cash_flow: Decimal
    funding: Decimal
    fee: Decimal
    change: Decimal
    balance: Decimal
    currency: str
    fee_rate: Decimal
    trade_id: str
    order_id: str
    order_link_id: str


Event = Execution | OrderState | PositionState | Wallet
