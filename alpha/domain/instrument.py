from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from typing import Final

from alpha.domain.arithmetic import whole_ceiling, whole_down, whole_floor, whole_nearest
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.side import Side

_BUY: Final = Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The filters of one linear perpetual, and every rounding that an order needs.

    Sizes are in base units, prices and notionals in the quote currency.
    """

    symbol: Symbol
    base: str
    quote: str
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    quantity_step: Decimal
    min_quantity: Decimal
    max_limit_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    max_leverage: Decimal
    funding_interval_minutes: int = 480

    def __post_init__(self) -> None:
        for name in ("tick_size", "quantity_step", "min_quantity"):
            if getattr(self, name) <= 0:
                raise InvalidValue(f"{self.symbol}: {name} must be above 0")

    def __reduce__(self) -> tuple[partial[Instrument], tuple[()]]:
        # Made anew from its fields: a frozen class that is compiled refuses to have them set one by one.
        return partial(Instrument, **{each.name: getattr(self, each.name) for each in fields(self)}), ()

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Down to the step: an order is never larger than what was asked for."""
        return whole_down(quantity / self.quantity_step) * self.quantity_step

    def round_price(self, price: Decimal) -> Decimal:
        """To the nearest tick, for prices where neither direction is the safe one."""
        return whole_nearest(price / self.tick_size) * self.tick_size

    def round_limit_price(self, price: Decimal, side: Side) -> Decimal:
        """To a tick that is never worse for the sender: a buy goes down, a sell goes up."""
        ticks = price / self.tick_size
        return (whole_floor(ticks) if side is _BUY else whole_ceiling(ticks)) * self.tick_size

    def is_on_step(self, quantity: Decimal) -> bool:
        return quantity % self.quantity_step == 0

    def is_on_tick(self, price: Decimal) -> bool:
        return price % self.tick_size == 0

    def takes(self, quantity: Decimal, price: Decimal) -> bool:
        """Whether the quantity, which is on the step, is none too small at this price."""
        return quantity >= self.min_quantity and quantity * price >= self.min_notional

    def min_order_quantity(self, price: Decimal) -> Decimal:
        """The smallest quantity that the exchange takes at this price: minimum quantity and notional both met."""
        if price <= 0:
            raise InvalidValue(f"{self.symbol}: price must be above 0")
        by_notional = whole_ceiling(self.min_notional / price / self.quantity_step) * self.quantity_step
        return max(self.min_quantity, by_notional)
