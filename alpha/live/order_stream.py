"""`{bot}:orders`, the stream of a bot's order reports, and `{bot}:open_orders`, its orders that are not terminal."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import redis

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.side import Side
from alpha.live.answers import entries_after, hash_of
from alpha.live.bot_database import Report
from alpha.live.bot_keys import open_orders_key, orders_key
from alpha.live.connection import LiveStateError

_encode = msgspec.json.Encoder().encode
_MONEY = ("price", "average_price", "trigger_price", "take_profit", "stop_loss")


def report_of(order: Order) -> Report:
    """The order as a step of its bot's database takes it."""
    return Report(order.order_id, order.status.is_terminal, order_to_json(order))


def open_orders(client: redis.Redis, bot: BotId) -> list[Order]:
    """The bot's orders that may still fill, oldest first. Raises LiveStateError for what is not ours."""
    found = [order_from_json(text) for text in hash_of(client, open_orders_key(bot)).values()]
    return sorted(found, key=lambda order: (order.created_at, order.order_id))


def read(
    client: redis.Redis, bot: BotId, *, after: str = "0", limit: int = 500, block_ms: int | None = None
) -> list[tuple[str, Order]]:
    """Order reports after a stream id ("0" from the oldest kept, "$" only new ones), each with its own id."""
    key = orders_key(bot)
    entries = entries_after(client, {key: after}, limit=limit, block_ms=block_ms).get(key, [])
    return [(entry_id, order_from_json(entry["order"])) for entry_id, entry in entries]


def order_to_json(order: Order) -> str:
    """One line of JSON with every field of the order: money as strings, times in ISO form."""
    return _encode(order).decode()


def order_from_json(text: str) -> Order:
    """Raises LiveStateError when the text is not what `order_to_json` writes."""
    try:
        raw: dict[str, Any] = orjson.loads(text)
        money = {name: None if raw[name] is None else Decimal(raw[name]) for name in _MONEY}
        return Order(
            account=AccountName(raw["account"]),
            category=raw["category"],
            symbol=Symbol(raw["symbol"]),
            order_id=OrderId(raw["order_id"]),
            order_link_id=raw["order_link_id"],
            side=Side(raw["side"]),
            order_type=OrderType(raw["order_type"]),
            time_in_force=raw["time_in_force"],
            status=OrderStatus(raw["status"]),
            quantity=Decimal(raw["quantity"]),
            filled_quantity=Decimal(raw["filled_quantity"]),
            reduce_only=raw["reduce_only"],
            position_idx=raw["position_idx"],
            create_type=raw["create_type"],
            stop_order_type=raw["stop_order_type"],
            reject_reason=raw["reject_reason"],
            cancel_type=raw["cancel_type"],
            created_at=datetime.fromisoformat(raw["created_at"]),
            updated_at=datetime.fromisoformat(raw["updated_at"]),
            **money,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, InvalidValue) as error:
        raise LiveStateError(f"not an order in Redis ({error!r}); delete it: it is rebuilt") from error
