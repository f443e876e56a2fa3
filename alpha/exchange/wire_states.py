"""Orders and positions read straight from their bytes, as the exchange nearly always sends them.

With each fill come its order's state and its position's: two frames that are longer than the execution's own. As in
`wire_execution`, what has another shape is left to `parse`, and where both can read a thing they read the same.
"""

from __future__ import annotations

import msgspec

from alpha.domain.clock import EPOCH
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import FLAT, Position
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.wire_fields import (
    CATEGORIES,
    OTHER_SHAPE,
    SIDES,
    ReadFrame,
    amount,
    at_ms,
    number,
    often,
    price,
    time,
    unset,
)
from alpha.exchange.wire_rows import OrderFrame, OrderRow, PositionFrame, PositionRow

_ORDER_TYPES = {order_type.value: order_type for order_type in OrderType}
_ORDER_STATUSES = {status.value: status for status in OrderStatus}
_ORDER_TOPICS = {f"order{ending}": category for ending, category in CATEGORIES.items()}
_POSITION_TOPICS = {f"position{ending}": category for ending, category in CATEGORIES.items()}


_decode_orders = msgspec.json.Decoder(OrderFrame).decode
_decode_positions = msgspec.json.Decoder(PositionFrame).decode


def read_order_frame(message: bytes, account: AccountName) -> ReadFrame | None:
    """The orders of a message; None when it is something else, or not all of it has the usual shape."""
    try:
        frame = _decode_orders(message)
        category = _ORDER_TOPICS[frame.topic]
        orders = [_order(row, account, row.category or category) for row in frame.data]
        return ReadFrame(frame.topic, at_ms(frame.creation_time), [], orders, [])
    except OTHER_SHAPE:
        return None


def read_position_frame(message: bytes, account: AccountName) -> ReadFrame | None:
    """The positions of a message; None when it is something else, or not all of it has the usual shape."""
    try:
        frame = _decode_positions(message)
        category = _POSITION_TOPICS[frame.topic]
        positions = [_position(row, account, row.category or category) for row in frame.data]
        return ReadFrame(frame.topic, at_ms(frame.creation_time), [], [], positions)
    except OTHER_SHAPE:
        return None


def _order(row: OrderRow, account: AccountName, category: str) -> Order:
    order_id, symbol = row.order_id, row.symbol
    if not (category and order_id and symbol):
        raise ValueError("an empty text")
    # By position, in the order of Order: with so many fields names take longer than all the rest.
    return Order(
        account,
        category,
        Symbol(symbol),
        OrderId(order_id),
        row.order_link_id,
        SIDES[row.side],
        _ORDER_TYPES[row.order_type],
        row.time_in_force,
        _ORDER_STATUSES[row.order_status],
        price(row.price),
        often(row.qty),
        often(row.cum_exec_qty or "0"),
        price(row.avg_price),
        row.reduce_only,
        row.position_idx,
        row.create_type,
        unset(row.stop_order_type),
        price(row.trigger_price),
        price(row.take_profit),
        price(row.stop_loss),
        unset(row.reject_reason),
        unset(row.cancel_type),
        time(row.created_time),
        time(row.updated_time),
    )


def _position(row: PositionRow, account: AccountName, category: str) -> ExchangePosition:
    if not (category and row.symbol):
        raise ValueError("an empty text")
    size = often(row.size)
    return ExchangePosition(
        account,
        category,
        Symbol(row.symbol),
        row.position_idx,
        Position(SIDES[row.side].sign * size, number(row.entry_price)) if size else FLAT,
        price(row.mark_price),
        amount(row.unrealised_pnl),
        price(row.liq_price),
        price(row.take_profit),
        price(row.stop_loss),
        price(row.trailing_stop),
        often(row.leverage or "0") or None,
        row.seq,
        time(row.updated_time) if row.updated_time else EPOCH,
    )
