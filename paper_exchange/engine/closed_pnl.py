from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from alpha.domain.fill import ExecType
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.side import Side
from paper_exchange.engine.events import Execution
from paper_exchange.engine.money import ZERO, round_amount


class ClosedPnl(msgspec.Struct, frozen=True, gc=False):
    """What one closing order has closed so far, as Bybit's closed-pnl lists it: one row per order, not per fill.

    `side` is that of the closing order, so Sell for a long that was closed. `entry_value` and `exit_value` are those of
    `closed_size` alone, `open_fee` and `close_fee` its share of the fees; of an order that flips the position the part
    that opens does not count. `closed_pnl` = (exit - entry) x direction - open fee - close fee; funding is not in it.
    `quantity` is that of the order, `order_price` its limit (of a market order its bound).
    """

    uid: int
    symbol: Symbol
    position_idx: int
    order_id: OrderId
    order_link_id: str
    side: Side
    quantity: Decimal
    order_price: Decimal
    order_type: str
    exec_type: ExecType
    closed_size: Decimal
    entry_value: Decimal
    exit_value: Decimal
    open_fee: Decimal
    close_fee: Decimal
    closed_pnl: Decimal
    fill_count: int
    leverage: Decimal
    created_at: datetime
    updated_at: datetime

    @property
    def average_entry_price(self) -> Decimal:
        return self.entry_value / self.closed_size

    @property
    def average_exit_price(self) -> Decimal:
        return self.exit_value / self.closed_size


class Close(msgspec.Struct, frozen=True, gc=False):
    """One execution that closed something: what it closed had cost, per unit and in fees, and at which leverage."""

    execution: Execution
    entry_price: Decimal
    open_fee: Decimal
    leverage: Decimal


class ClosedPnlList:
    """The rows of one account by the first closing execution. Executions are put in as they happen, and added up when
    somebody asks."""

    __slots__ = ("_added", "_closes", "_rows")

    def __init__(self) -> None:
        self._closes: list[Close] = []
        self._added = 0
        self._rows: dict[str, ClosedPnl] = {}

    def put(self, close: Close) -> None:
        self._closes.append(close)

    def rows(self) -> Sequence[ClosedPnl]:
        for close in self._closes[self._added :]:
            order_id = close.execution.order_id
            self._rows[order_id] = _row(close, self._rows.get(order_id))
        self._added = len(self._closes)
        return list(self._rows.values())


def _row(close: Close, before: ClosedPnl | None) -> ClosedPnl:
    execution = close.execution
    closed = execution.closed_size
    close_fee = round_amount(execution.fee * closed / execution.quantity)
    open_fee = round_amount(close.open_fee)
    return ClosedPnl(
        uid=execution.uid,
        symbol=execution.symbol,
        position_idx=execution.position_idx,
        order_id=execution.order_id,
        order_link_id=execution.order_link_id,
        side=execution.side,
        quantity=execution.order_quantity,
        order_price=execution.order_price,
        order_type=execution.order_type,
        exec_type=execution.exec_type,
        closed_size=closed + (before.closed_size if before else ZERO),
        entry_value=close.entry_price * closed + (before.entry_value if before else ZERO),
        exit_value=execution.price * closed + (before.exit_value if before else ZERO),
        open_fee=open_fee + (before.open_fee if before else ZERO),
        close_fee=close_fee + (before.close_fee if before else ZERO),
        closed_pnl=execution.exec_pnl - open_fee - close_fee + (before.closed_pnl if before else ZERO),
        fill_count=1 + (before.fill_count if before else 0),
        leverage=close.leverage,
        created_at=before.created_at if before else execution.exec_time,
        updated_at=execution.exec_time,
    )
