"""The shapes of the private stream's rows and frames, as the exchange nearly always sends them.

Apart from who reads them: msgspec makes classes of its own of these, which a compiler of Python does not follow.
"""

from __future__ import annotations

import msgspec


class ExecutionRow(msgspec.Struct, rename="camel"):
    """An execution of the stream or of execution/list. Numbers are text, as floats would have lost digits."""

    symbol: str
    exec_id: str
    exec_time: str
    exec_type: str
    exec_price: str
    exec_qty: str
    exec_value: str
    exec_fee: str
    order_id: str
    side: str
    seq: int
    is_maker: bool
    category: str = ""
    fee_rate: str = ""
    fee_currency: str = ""
    closed_size: str = ""
    leaves_qty: str = ""
    order_link_id: str = ""
    order_type: str = ""
    create_type: str = ""
    stop_order_type: str = ""
    mark_price: str = ""


class ExecutionFrame(msgspec.Struct, rename="camel"):
    topic: str
    creation_time: int
    data: list[ExecutionRow]


class OrderRow(msgspec.Struct, rename="camel"):
    """https://bybit-exchange.github.io/docs/v5/websocket/private/order"""

    symbol: str
    order_id: str
    side: str
    order_type: str
    order_status: str
    qty: str
    reduce_only: bool
    position_idx: int
    created_time: str
    updated_time: str
    category: str = ""
    order_link_id: str = ""
    time_in_force: str = ""
    price: str = ""
    cum_exec_qty: str = ""
    avg_price: str = ""
    create_type: str = ""
    stop_order_type: str = ""
    trigger_price: str = ""
    take_profit: str = ""
    stop_loss: str = ""
    reject_reason: str = ""
    cancel_type: str = ""


class PositionRow(msgspec.Struct, rename="camel"):
    """https://bybit-exchange.github.io/docs/v5/websocket/private/position"""

    symbol: str
    position_idx: int
    size: str
    side: str = ""
    entry_price: str = ""
    category: str = ""
    mark_price: str = ""
    unrealised_pnl: str = ""
    liq_price: str = ""
    take_profit: str = ""
    stop_loss: str = ""
    trailing_stop: str = ""
    leverage: str = ""
    seq: int | None = None
    updated_time: str = ""


class OrderFrame(msgspec.Struct, rename="camel"):
    topic: str
    creation_time: int
    data: list[OrderRow]


class PositionFrame(msgspec.Struct, rename="camel"):
    topic: str
    creation_time: int
    data: list[PositionRow]
