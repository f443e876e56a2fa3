"""The path inside a bar.

A bar says how far the price went, not in which order. The engine always walks the same four points:

    close >= open:   open -> low  -> high -> close
    close <  open:   open -> high -> low  -> close

so that a bar visits the extreme against its own direction first, which is the harder case for a position held in that
direction with a stop. The points lie at 0, 1/3 and 2/3 of the bar and at its last millisecond; between two points price
and time are linear, which gives every execution a millisecond inside [start, end).

What happens along it, in this order:

1. At the start: funding due at that instant on the positions held then, at the mark price of the bar before.
2. At the open: accounts that the gap from the last close has ruined are liquidated. Then orders that arrived since the
   last bar, sorted by (uid, order link id, or order id where there is none). The gap is not traded through: whoever was
   passed over fills or triggers at the open (a resting limit at its own price, a stop at the open).
3. On each leg, in the order of time across all symbols: resting limit orders whose price is traded *through* (a touch
   does not fill: others stand before us in the queue); orders that wait for a trigger, conditional ones and stops of
   positions, when the price they watch has *reached* it; trailing stops; liquidation by mark price. At one price the
   order is limits, triggers, liquidation. What begins to rest or to wait by the way is looked for on what is left of
   the leg: a limit order that a trigger made active, the stops of a position that has just been opened.
4. At the close: mark and index price that were given, and the triggers and liquidations that these bring about. Inside
   the bar both move with the last price at the distance they had at the close of the bar before, because nothing better
   is known; with none given all three are one.

A trailing stop follows the path: its peak moves at the end of a leg in the position's favour, its level is fixed on a
leg against it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final, final

from alpha.domain.bar import Bar
from alpha.domain.clock import to_ms

_LAST_MILLISECOND: Final = timedelta(milliseconds=1)


@final
class Leg:
    """A straight piece of the path, from one price and time (ms) to the next; `length` in price."""

    __slots__ = ("end_ms", "end_price", "length", "start_ms", "start_price")

    def __init__(self, start_ms: int, end_ms: int, start_price: Decimal, end_price: Decimal) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.start_price = start_price
        self.end_price = end_price
        self.length = abs(end_price - start_price)

    @property
    def direction(self) -> int:
        return 1 if self.end_price >= self.start_price else -1

    def price_at(self, distance: Decimal) -> Decimal:
        """The price after having moved by `distance` along the leg."""
        return self.start_price + self.direction * distance

    def ms_at(self, distance: Decimal) -> int:
        """The time, rounded down to the millisecond, after having moved by `distance` along the leg."""
        length = self.length
        if length == 0:
            return self.start_ms
        return self.start_ms + int((self.end_ms - self.start_ms) * distance / length)


def opening(bar: Bar) -> Leg:
    """The instant of the open as a leg without length, for what the gap before it passed over."""
    start, price = to_ms(bar.start), bar.open
    return Leg(start, start, price, price)


def legs(bar: Bar) -> tuple[Leg, Leg, Leg]:
    """The three legs of the bar as the module says."""
    open_, close = bar.open, bar.close
    first, second = (bar.low, bar.high) if close >= open_ else (bar.high, bar.low)
    start, third = to_ms(bar.start), bar.interval / 3
    one, two = to_ms(bar.start + third), to_ms(bar.start + 2 * third)
    last = to_ms(bar.end - _LAST_MILLISECOND)
    return (
        Leg(start, one, open_, first),
        Leg(one, two, first, second),
        Leg(two, last, second, close),
    )
