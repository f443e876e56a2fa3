"""What the engine tells: immutable snapshots in the order in which they happened.

Times are the market clock. Prices that are not set are None. Rendering to Bybit's JSON is the server's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId, OrderId, Symbol
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One match of one order, a takeover, or a funding payment (`exec_type` says which). A fact.

    Executions of one match share `exec_time` and `seq`, and `leaves_quantity` falls within them. `seq` never falls
    within a symbol. `fee` > 0 was paid and < 0 received; for funding it is the payment (`value` x `fee_rate`).
    `closed_size` is the part of `quantity` that reduced the position, `exec_pnl` the price P&L of that part before
    fees. `order_price` of a market order is its internal bound, not a fill price. For funding: `order_type` is
    "UNKNOWN", `create_type` "", order price and quantity 0, `price` the mark price and `quantity` the whole position.
    """

    uid: int
    symbol: Symbol
    position_idx: int
    exec_id: ExecId
    exec_time: datetime
    seq: int
    exec_type: ExecType
    side: Side
    price: Decimal
    quantity: Decimal
    value: Decimal
    fee: Decimal
    fee_rate: Decimal
    fee_currency: str
    is_maker: bool
    closed_size: Decimal
    exec_pnl: Decimal
    leaves_quantity: Decimal
    order_id: OrderId
    order_link_id: str
    order_type: str
    order_price: Decimal
    order_quantity: Decimal
    create_type: str
    stop_order_type: str
    mark_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order after a change.

    `price` is the limit (for a market order its internal bound once matched, before that None). `leaves_quantity` is 0
    in every terminal state, so what is unfilled is `quantity - filled_quantity`. `closed_pnl` is what the order
    closed, fees of opening and closing deducted. `stop_order_type`, `trigger_by` and `tpsl_mode` are "" where Bybit
    leaves them unset; `trigger_direction` is 0 unset, 1 rise, 2 fall.
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
    leaves_quantity: Decimal
    filled_value: Decimal
    average_price: Decimal | None
    fee: Decimal
    closed_pnl: Decimal
    reduce_only: bool
    close_on_trigger: bool
    create_type: str
    stop_order_type: str
    trigger_price: Decimal | None
    trigger_direction: int
    trigger_by: str
    take_profit: Decimal | None
    stop_loss: Decimal | None
    tpsl_mode: str
    reject_reason: str
    cancel_type: str
    last_price_on_created: Decimal
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState:
    """A position, also when flat: then side is None and size, entry price, value and margins are 0.

    `value` is size at entry price. `initial_margin` and `maintenance_margin` are on the mark price. `liq_price` is the
    mark price at which the account would be liquidated if nothing else moved; None when there is none. `trailing_stop`
    is the distance, `trailing_level` the price at which it would trigger now (None until active).
    `current_realized_pnl` is that of the present holding (or of the last one when flat), fees and funding included;
    `cumulative_realized_pnl` that of the symbol since the account was opened. `seq` is that of the last execution, -1
    before the first. `status` is "Normal" or "Liq".
    """

    uid: int
    symbol: Symbol
    position_idx: int
    side: Side | None
    size: Decimal
    entry_price: Decimal
    value: Decimal
    mark_price: Decimal
    leverage: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    current_realized_pnl: Decimal
    cumulative_realized_pnl: Decimal
    break_even_price: Decimal | None
    liq_price: Decimal | None
    bust_price: Decimal | None
    take_profit: Decimal | None
    stop_loss: Decimal | None
    trailing_stop: Decimal | None
    active_price: Decimal | None
    trailing_level: Decimal | None
    status: str
    seq: int
    opened_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """The money of an account in its settle coin.

    `equity` = `balance` + `unrealized_pnl`; `available` = `equity` - `initial_margin`, never below 0;
    `initial_margin` = `position_margin` + `order_margin`.
    """

    uid: int
    balance: Decimal
    equity: Decimal
    available: Decimal
    initial_margin: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    cumulative_realized_pnl: Decimal
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One row of the transaction log: `change` = `cash_flow` + `funding` - `fee`, and `balance` is what it left.

    `type` is Bybit's: TRADE, SETTLEMENT (funding), LIQUIDATION; what the account was opened with has no row. `funding`
    > 0 was received, the opposite sign of an execution's fee. `size` is the signed position after it. `side` is None
    where Bybit says "None". `id` is unique; `trade_id` is the execution's id.
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
