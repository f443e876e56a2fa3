"""What the quick readers of the private stream share: the frame they answer, and how they take its fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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
OTHER_SHAPE = (msgspec.MsgspecError, KeyError, ValueError, ArithmeticError, OSError, InvalidValue)
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


# Of a few values that are told again and again, kept until there are this many. Ordering them by their last use, as a
# cache of the library's does, takes longer than to make some of them anew.
_KEPT: Final = 4096
_moments: dict[int, datetime] = {}
_times: dict[str, datetime] = {}
_numbers: dict[str, Decimal] = {}


def at_ms(milliseconds: int) -> datetime:
    """`from_ms`, for times of which many in a row are the same."""
    known = _moments.get(milliseconds)
    if known is None:
        known = from_ms(milliseconds)
        if len(_moments) >= _KEPT:
            _moments.clear()
        _moments[milliseconds] = known
    return known


def time(text: str) -> datetime:
    """Milliseconds as text. Raises members of OTHER_SHAPE."""
    known = _times.get(text)
    if known is None:
        known = from_ms(int(text))
        if len(_times) >= _KEPT:
            _times.clear()
        _times[text] = known
    return known


def number(text: str) -> Decimal:
    """Raises members of OTHER_SHAPE for what is no finite number."""
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is no finite number")
    return value


def often(text: str) -> Decimal:
    """Rates, quantities and marks, of which a few are told again and again. Raises members of OTHER_SHAPE."""
    known = _numbers.get(text)
    if known is None:
        known = ZERO if text == "0" else number(text)
        if len(_numbers) >= _KEPT:
            _numbers.clear()
        _numbers[text] = known
    return known


def amount(text: str) -> Decimal:
    """A number that is 0 where it is empty."""
    return ZERO if text == "" or text == "0" else number(text)


def price(text: str) -> Decimal | None:
    """A price, or None where it is unset: empty or 0."""
    return None if text == "" or text == "0" else number(text) or None


def unset(word: str) -> str:
    """Unset enums come as `""`, `UNKNOWN` or, as a reject reason, `EC_NoError`."""
    return "" if word == "UNKNOWN" or word == "EC_NoError" else word
