from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import partial

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.side import Side


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
        return _to_multiple(quantity, self.quantity_step, ROUND_DOWN)

    def round_price(self, price: Decimal) -> Decimal:
        """To the nearest tick, for prices where neither direction is the safe one."""
        return _to_multiple(price, self.tick_size, ROUND_HALF_EVEN)

    def round_limit_price(self, price: Decimal, side: Side) -> Decimal:
        """To a tick that is never worse for the sender: a buy goes down, a sell goes up."""
        return _to_multiple(price, self.tick_size, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)

    def is_on_step(self, quantity: Decimal) -> bool:
        return quantity % self.quantity_step == 0

    def is_on_tick(self, price: Decimal) -> bool:
        return price % self.tick_size == 0

    def min_order_quantity(self, price: Decimal) -> Decimal:
        """The smallest quantity that the exchange takes at this price: minimum quantity and notional both met."""
        if price <= 0:
            raise InvalidValue(f"{self.symbol}: price must be above 0")
        by_notional = _to_multiple(self.min_notional / price, self.quantity_step, ROUND_CEILING)
        return max(self.min_quantity, by_notional)


def _to_multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
