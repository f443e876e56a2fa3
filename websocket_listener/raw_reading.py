"""What was kept raw, read again with the parser of today. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from alpha.domain.clock import to_ms
from alpha.domain.errors import AlphaError
from alpha.domain.fill import Fill
from alpha.domain.order import Order
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import LINEAR, parse_private
from alpha.ledger.fill_rows import FILL_COLUMNS, fill_of_row
from alpha.ledger.raw_events import RawEvent

REFUSED_FILL = "refused_fill"
"""Topic of a fill that was read and that the ledger did not take: in our own form, since the wire's is gone by then."""

_DECIMALS = frozenset(
    {"price", "quantity", "notional", "fee", "fee_rate", "closed_quantity", "leaves_quantity", "mark_price"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a message turned out to say. `passing` counts positions and wallets, which told of a moment that is over."""

    fills: tuple[Fill, ...] = ()
    orders: tuple[Order, ...] = ()
    passing: int = 0


def read_again(event: RawEvent) -> Reading:
    """Raises UnknownMessage when it, or a part of it, still cannot be read."""
    try:
        content = orjson.loads(event.raw)
    except orjson.JSONDecodeError as error:
        raise UnknownMessage("it is no JSON", event.raw) from error
    if not isinstance(content, dict):
        raise UnknownMessage("it is no JSON object", event.raw)
    if event.topic == REFUSED_FILL:
        return Reading(fills=(_refused_fill(content),))
    message = parse_private(content if "topic" in content else _frame_around(content, event), event.account)
    if message.unreadable:
        raise message.unreadable[0]
    return Reading(
        fills=message.fills,
        orders=message.orders,
        passing=len(message.positions) + len(message.wallets) + len(message.fast),
    )


def refused_fill_text(fill: Fill) -> str:
    """The fill as `read_again` takes it: money as strings, the time in ISO form."""
    return orjson.dumps({name: getattr(fill, name) for name in FILL_COLUMNS}, default=str).decode()


def _refused_fill(content: Mapping[str, Any]) -> Fill:
    try:
        return fill_of_row(tuple(_value(name, content[name]) for name in FILL_COLUMNS))
    except (KeyError, ValueError, TypeError, ArithmeticError, AlphaError) as error:
        raise UnknownMessage(f"it is no fill as this release keeps it: {error}", dict(content)) from error


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _DECIMALS:
        return Decimal(value)
    return datetime.fromisoformat(value) if name == "exec_time" else value


def _frame_around(entry: Mapping[str, Any], event: RawEvent) -> dict[str, Any]:
    """One entry of a frame, or a row of a list, as a frame. Rows do not say their category, which is that of the page:
    this platform asks for linear."""
    whole = entry if entry.get("category") else {**entry, "category": LINEAR}
    return {"topic": event.topic, "creationTime": to_ms(event.received_at), "data": [whole]}
