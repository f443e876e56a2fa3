"""Executions read straight from their bytes, as the exchange nearly always sends them.

The private stream brings most of what a listener reads, and one execution in a frame costs as much to read as all that
is done with it. So their shape is declared, and the frame is decoded and checked against it in one go. What has any
other shape, whether it can be read or not, is left to `parse`, which is patient and says what is wrong; where both can
read a thing they read the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, ExecId, OrderId, Symbol
from alpha.exchange.settle_coin import settle_coin
from alpha.exchange.wire_fields import CATEGORIES, OTHER_SHAPE, SIDES, ReadFrame, at_ms, number, often, time, unset
from alpha.exchange.wire_rows import ExecutionFrame, ExecutionRow

_EXEC_TYPES = {exec_type.value: exec_type for exec_type in ExecType}
_TOPICS = {f"execution{ending}": category for ending, category in CATEGORIES.items()}


_decode = msgspec.json.Decoder(ExecutionFrame).decode


def read_execution_frame(message: bytes, account: AccountName) -> ReadFrame | None:
    """The executions of a message; None when it is something else, or not all of it has the usual shape."""
    try:
        frame = _decode(message)
        category = _TOPICS[frame.topic]
        fills = [_fill(row, account, category) for row in frame.data]
        return ReadFrame(frame.topic, at_ms(frame.creation_time), fills, [], [])
    except OTHER_SHAPE:
        return None


def read_execution(item: Mapping[str, Any], account: AccountName, category: str | None) -> Fill | None:
    """The execution of a row that is decoded already; None when it has not the usual shape."""
    try:
        return _fill(msgspec.convert(item, ExecutionRow), account, category)
    except OTHER_SHAPE:
        return None


def _fill(row: ExecutionRow, account: AccountName, of_page: str | None) -> Fill:
    category = row.category or of_page
    exec_id, order_id, symbol = row.exec_id, row.order_id, row.symbol
    if not (category and exec_id and order_id and symbol):
        raise ValueError("an empty text")
    # By position, in the order of Fill: with so many fields names take longer than all the rest.
    return Fill(
        account,
        category,
        Symbol(symbol),
        ExecId(exec_id),
        time(row.exec_time),
        row.seq,
        _EXEC_TYPES[row.exec_type],
        SIDES[row.side],
        number(row.exec_price),
        often(row.exec_qty),
        number(row.exec_value),
        number(row.exec_fee),
        often(row.fee_rate or "0"),
        row.fee_currency or settle_coin(category, Symbol(symbol)),
        row.is_maker,
        often(row.closed_size or "0"),
        often(row.leaves_qty or "0"),
        OrderId(order_id),
        row.order_link_id,
        row.order_type,
        row.create_type,
        unset(row.stop_order_type),
        (often(row.mark_price) or None) if row.mark_price else None,
    )
