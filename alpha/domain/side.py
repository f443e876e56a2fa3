from __future__ import annotations

from enum import StrEnum, unique


@unique
class Side(StrEnum):
    """Direction of an order or a fill. The values are Bybit's."""

    BUY = "Buy"
    SELL = "Sell"

    # Set below, once, as those of a direction are: what every order and fill asks must not cost a look-up.
    sign: int
    """+1 for a buy, -1 for a sell: `sign * quantity` is the change of a signed position."""
    opposite: Side


@unique
class Direction(StrEnum):
    """Direction of a position or of a round trip."""

    LONG = "long"
    SHORT = "short"

    sign: int
    entry_side: Side


for _side, _other, _direction in ((Side.BUY, Side.SELL, Direction.LONG), (Side.SELL, Side.BUY, Direction.SHORT)):
    _side.opposite, _direction.entry_side = _other, _side
    _side.sign = _direction.sign = 1 if _side is Side.BUY else -1
