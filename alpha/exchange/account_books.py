"""What the exchange's own books say of an account: its transaction log, its closed P&L, its API key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.side import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of the transaction log, in units of `currency`.

    `change` = `cash_flow` + `funding` - `fee` is what it did to the wallet and `balance` what it left. `funding` > 0
    was received, the opposite sign of an execution's fee; `fee` > 0 was paid. `size` is the signed position it left.
    `trade_id` is the execution behind it, "" where there is none, as `symbol`, `order_id` and `side` (None). `type` is
    Bybit's own word: TRADE, SETTLEMENT (funding), LIQUIDATION, ADL, TRANSFER_IN... `at` is market clock.
    """

    account: AccountName
    log_id: str
    at: datetime
    type: str
    sub_type: str
    category: str
    symbol: str
    side: Side | None
    currency: str
    quantity: Decimal
    size: Decimal
    price: Decimal
    funding: Decimal
    fee: Decimal
    fee_rate: Decimal
    cash_flow: Decimal
    change: Decimal
    balance: Decimal
    bonus_change: Decimal
    trade_id: str
    order_id: str
    order_link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPnl:
    """What one closing order has closed so far: one row per order, and it grows while the order goes on filling.

    `side` is the closing order's, so Sell for a long that was closed, and the times are that order's too. `quantity` is
    the order's, `closed_quantity` the part that closed. `closed_pnl` contains both fees and no funding. Entry values
    are cost-based figures of the exchange and not executions; fees are None where it does not tell them.
    """

    account: AccountName
    category: str
    symbol: Symbol
    order_id: OrderId
    side: Side
    order_type: str
    exec_type: str
    quantity: Decimal
    closed_quantity: Decimal
    entry_value: Decimal
    entry_price: Decimal
    exit_value: Decimal
    exit_price: Decimal
    closed_pnl: Decimal
    open_fee: Decimal | None
    close_fee: Decimal | None
    fill_count: int
    leverage: Decimal | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInformation:
    """What the exchange says of the API key itself. `uid` is None where it does not tell; `expires_at` (wall clock) is
    None for a key that does not expire; `addresses` are those it may be used from, none where it may be from any."""

    uid: int | None
    read_only: bool
    expires_at: datetime | None
    may_withdraw: bool = False
    addresses: tuple[str, ...] = ()
