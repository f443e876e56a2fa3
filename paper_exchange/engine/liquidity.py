from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import NamedTuple

from alpha.domain.errors import InvalidValue
from alpha.domain.instrument import Instrument
from alpha.domain.side import Side

_ONE = Decimal(1)


class Level(NamedTuple):
    """One price of the book and how much can be had there, in base units."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """A book derived from a bar, because a bar is all there is: half a spread from the price, then levels.

    All numbers are fractions. Level n lies `half_spread` + n x `level_spacing` of the price away, at least one tick
    behind the level before it, and holds `level_shares[n]` of the bar's volume, rounded down to the quantity step. The
    first level holds at least the smallest order the exchange takes, so that the smallest order always trades. A
    resting order gets `resting_share` of the bar's volume on each leg of the path that trades through its price. A
    market order is bounded at `market_bound` away from the price.

    Every order meets the book whole: orders on paper neither move the market nor compete with one another, so what one
    account gets does not depend on which other accounts there are.
    """

    half_spread: Decimal = Decimal("0.00005")
    level_spacing: Decimal = Decimal("0.0001")
    level_shares: tuple[Decimal, ...] = (Decimal("0.005"), Decimal("0.01"), Decimal("0.02"), Decimal("0.04"))
    resting_share: Decimal = Decimal("0.05")
    market_bound: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        if not self.level_shares:
            raise InvalidValue("a book needs at least one level")
        if min(self.half_spread, self.level_spacing, self.resting_share, self.market_bound, *self.level_shares) < 0:
            raise InvalidValue("spread, spacing and shares of the book must not be negative")

    def best_price(self, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        """What a taker of this side meets first around `price`: the ask for a buy, the bid for a sell."""
        return self._level_price(0, side, price, instrument)

    def levels(self, side: Side, price: Decimal, volume: Decimal, instrument: Instrument) -> list[Level]:
        """What a taker of this side can have around `price`, best first."""
        return list(self._walk(side, price, volume, instrument))

    def levels_for_all(
        self, side: Side, price: Decimal, volume: Decimal, instrument: Instrument, quantity: Decimal
    ) -> list[Level]:
        """Levels that hold `quantity`, no more of them than it takes; what the book lacks lies on one behind its last.

        For closes by the exchange itself: a stop that an empty book leaves open would protect nobody.
        """
        levels: list[Level] = []
        missing = quantity
        for level in self._walk(side, price, volume, instrument):
            levels.append(level)
            missing -= level.quantity
            if missing <= 0:
                break
        if missing > 0:
            levels.append(Level(self._price_behind(levels[-1].price, side, price, instrument), missing))
        return levels

    def resting_quantity(self, volume: Decimal, price: Decimal, instrument: Instrument) -> Decimal:
        """How much of a resting order one leg through its price can fill."""
        return max(instrument.round_quantity(volume * self.resting_share), instrument.min_order_quantity(price))

    def market_limit(self, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        """The internal limit price of a market order sent at `price`."""
        return instrument.round_price(price * (_ONE + side.sign * self.market_bound))

    def _walk(self, side: Side, price: Decimal, volume: Decimal, instrument: Instrument) -> Iterator[Level]:
        previous: Decimal | None = None
        for number, share in enumerate(self.level_shares):
            level_price = self._level_price(number, side, price, instrument)
            if previous is not None and side.sign * (level_price - previous) <= 0:
                level_price = previous + side.sign * instrument.tick_size
            if level_price <= 0:
                return
            quantity = (volume * share / instrument.quantity_step).to_integral_value(ROUND_DOWN)
            quantity *= instrument.quantity_step
            if number == 0:
                quantity = max(quantity, instrument.min_order_quantity(level_price))
            if quantity > 0:
                yield Level(level_price, quantity)
            previous = level_price

    def _price_behind(self, last: Decimal, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        behind = self._level_price(len(self.level_shares), side, price, instrument)
        tick = instrument.tick_size
        return max(behind, last + tick) if side is Side.BUY else max(min(behind, last - tick), tick)

    def _level_price(self, number: int, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        away = price * (_ONE + side.sign * (self.half_spread + number * self.level_spacing))
        rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        ticks = (away / instrument.tick_size).to_integral_value(rounding)
        return max(ticks, _ONE) * instrument.tick_size
