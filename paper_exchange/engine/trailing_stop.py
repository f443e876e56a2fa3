from __future__ import annotations

from decimal import Decimal


class TrailingStop:
    """A stop that follows the last price at a distance once the price has reached its activation.

    `direction` is that of the position (+1 long, -1 short); `peak` the best price since activation, None before.
    """

    __slots__ = ("active_price", "direction", "distance", "peak")

    def __init__(self, *, direction: int, distance: Decimal, active_price: Decimal | None) -> None:
        self.direction = direction
        self.distance = distance
        self.active_price = active_price
        self.peak: Decimal | None = None

    def observe(self, price: Decimal) -> None:
        """Take in a price that was traded: activate when it is reached, follow when it is better than the peak."""
        if self.peak is None:
            if self.active_price is None or self.direction * (price - self.active_price) >= 0:
                self.peak = price
        elif self.direction * (price - self.peak) > 0:
            self.peak = price

    @property
    def level(self) -> Decimal | None:
        """The price at which it closes the position, None while it is not active."""
        return None if self.peak is None else self.peak - self.direction * self.distance
