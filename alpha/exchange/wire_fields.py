"""What the quick readers of the private stream share: the frame they answer, and how they take its fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, final

import msgspec

from alpha.domain.clock import from_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.fill import Fill
from alpha.domain.order import Order
from alpha.domain.position import ZERO
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition

SIDES = {side.value: side for side in Side}
CATEGORIES = {"": "", ".linear": "linear", ".inverse": "inverse"}
"""What may follow the name of a topic, and the category it says."""
OTHER_SHAPE = (msgspec.MsgspecError, KeyError, ValueError, OverflowError, OSError, InvalidOperation, InvalidValue)
"""What a quick reader meets in a message that is not of the usual shape."""


@final
@dataclass(init=False, slots=True)
class ReadFrame:
    """A frame of a private topic. `created_at` is the exchange's wall clock; only the list of its topic is filled."""

    topic: Final[str]
    created_at: Final[datetime]
    fills: Final[list[Fill]]
    orders: Final[list[Order]]
    positions: Final[list[ExchangePosition]]

    def __init__(
        self,
        topic: str,
        created_at: datetime,
        fills: list[Fill],
        orders: list[Order],
        positions: list[ExchangePosition],
    ) -> None:
        self.topic = topic
        self.created_at = created_at
        self.fills = fills
        self.orders = orders
        self.positions = positions


at_ms = lru_cache(maxsize=1024)(from_ms)
"""`from_ms`, for times of which many in a row are the same."""


@lru_cache(maxsize=1024)
def time(text: str) -> datetime:
    """Milliseconds as text. Raises members of OTHER_SHAPE."""
    return from_ms(int(text))


def number(text: str) -> Decimal:
    """Raises members of OTHER_SHAPE for what is no finite number."""
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is no finite number")
    return value


@lru_cache(maxsize=4096)
def often(text: str) -> Decimal:
    """Rates, quantities and marks, of which a few are told again and again."""
    return ZERO if text == "0" else number(text)


def amount(text: str) -> Decimal:
    """A number that is 0 where it is empty."""
    return ZERO if text == "" or text == "0" else number(text)


def price(text: str) -> Decimal | None:
    """A price, or None where it is unset: empty or 0."""
    return None if text == "" or text == "0" else number(text) or None


def unset(word: str) -> str:
    """Unset enums come as `""`, `UNKNOWN` or, as a reject reason, `EC_NoError`."""
    return "" if word == "UNKNOWN" or word == "EC_NoError" else word
