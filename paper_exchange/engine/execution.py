from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from mypy_extensions import mypyc_attr

from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId, OrderId, Symbol
from alpha.domain.side import Side


# Acyclic: it can be in no ring, and there are millions of them, so the collector of cycles need not know it.
@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Execution:
    """One match of one order, a takeover, a deleveraging, or a funding payment (`exec_type` says which). A fact.

    Executions of one match share `exec_time` and `seq`, and `leaves_quantity` falls within them. `seq` never falls
    within a symbol. `fee` > 0 was paid and < 0 received; for funding it is the payment (`value` x `fee_rate`).
    `closed_size` is the part of `quantity` that reduced the position, `exec_pnl` the price P&L of that part before
    fees. `order_price` of a market order is its internal bound, not a fill price. For funding: `order_type` is
    "UNKNOWN", `create_type` "", order price and quantity 0, `price` the mark price and `quantity` the whole position.
    """

    uid: Final[int]
    symbol: Final[Symbol]
    position_idx: Final[int]
    exec_id: Final[ExecId]
    exec_time: Final[datetime]
    seq: Final[int]
    exec_type: Final[ExecType]
    side: Final[Side]
    price: Final[Decimal]
    quantity: Final[Decimal]
    value: Final[Decimal]
    fee: Final[Decimal]
    fee_rate: Final[Decimal]
    fee_currency: Final[str]
    is_maker: Final[bool]
    closed_size: Final[Decimal]
    exec_pnl: Final[Decimal]
    leaves_quantity: Final[Decimal]
    order_id: Final[OrderId]
    order_link_id: Final[str]
    order_type: Final[str]
    order_price: Final[Decimal]
    order_quantity: Final[Decimal]
    create_type: Final[str]
    stop_order_type: Final[str]
    mark_price: Final[Decimal]

    def __init__(
        self,
        uid: int,
        symbol: Symbol,
        position_idx: int,
        exec_id: ExecId,
        exec_time: datetime,
        seq: int,
        exec_type: ExecType,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        value: Decimal,
        fee: Decimal,
        fee_rate: Decimal,
        fee_currency: str,
        is_maker: bool,
        closed_size: Decimal,
        exec_pnl: Decimal,
        leaves_quantity: Decimal,
        order_id: OrderId,
        order_link_id: str,
        order_type: str,
        order_price: Decimal,
        order_quantity: Decimal,
        create_type: str,
        stop_order_type: str,
        mark_price: Decimal,
    ) -> None:
        self.uid = uid
        self.symbol = symbol
        self.position_idx = position_idx
        self.exec_id = exec_id
        self.exec_time = exec_time
        self.seq = seq
        self.exec_type = exec_type
        self.side = side
        self.price = price
        self.quantity = quantity
        self.value = value
        self.fee = fee
        self.fee_rate = fee_rate
        self.fee_currency = fee_currency
        self.is_maker = is_maker
        self.closed_size = closed_size
        self.exec_pnl = exec_pnl
        self.leaves_quantity = leaves_quantity
        self.order_id = order_id
        self.order_link_id = order_link_id
        self.order_type = order_type
        self.order_price = order_price
        self.order_quantity = order_quantity
        self.create_type = create_type
        self.stop_order_type = stop_order_type
        self.mark_price = mark_price
