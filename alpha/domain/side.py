from __future__ import annotations

from enum import StrEnum, unique


@unique
class Side(StrEnum):
    """Direction of an order or a fill. The values are Bybit's."""

    BUY = "Buy"
    SELL = "Sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: `sign * quantity` is the change of a signed position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


@unique
class Direction(StrEnum):
    """Direction of a position or of a round trip."""

    LONG = "long"
    SHORT = "short"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.LONG else -1

    @property
    def entry_side(self) -> Side:
        return Side.BUY if self is Direction.LONG else Side.SELL
