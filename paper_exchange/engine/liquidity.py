from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple

from alpha.domain.arithmetic import whole_ceiling, whole_down, whole_floor
from alpha.domain.errors import InvalidValue
from alpha.domain.instrument import Instrument
from alpha.domain.side import Side
from paper_exchange.engine.members import BUY

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class Level(NamedTuple):
    """One price of the book and how much can be had there, in base units."""

    price: Decimal
    quantity: Decimal


# As Level(...) does, in a third of the time: every order meets at least one that was just made.
_new_tuple = tuple.__new__


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
    # Of a price: where each level lies, and one more behind the last, and the bound of market orders; for each side.
    _levels_at: dict[Side, list[Decimal]] = field(init=False, repr=False, compare=False)
    _bound_at: dict[Side, Decimal] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.level_shares:
            raise InvalidValue("a book needs at least one level")
        if min(self.half_spread, self.level_spacing, self.resting_share, self.market_bound, *self.level_shares) < 0:
            raise InvalidValue("spread, spacing and shares of the book must not be negative")
        away = [self.half_spread + number * self.level_spacing for number in range(len(self.level_shares) + 1)]
        levels = {side: [_ONE + side.sign * each for each in away] for side in Side}
        object.__setattr__(self, "_levels_at", levels)
        object.__setattr__(self, "_bound_at", {side: _ONE + side.sign * self.market_bound for side in Side})

    def __reduce__(self) -> tuple[partial[Liquidity], tuple[()]]:
        # Made anew from its fields: a frozen class that is compiled refuses to have them set one by one.
        return partial(Liquidity, **{each.name: getattr(self, each.name) for each in fields(self) if each.init}), ()

    def depth(self, price: Decimal, volume: Decimal, instrument: Instrument) -> Depth:
        """The book around `price` in a bar of this volume (base units)."""
        return Depth(self, price, volume, instrument)

    def best_price(self, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        """What a taker of this side meets first around `price`: the ask for a buy, the bid for a sell."""
        return self.level_price(0, side, price, instrument)

    def market_limit(self, side: Side, price: Decimal) -> Decimal:
        """The worst price a market order may get around `price`, not on a tick."""
        return price * self._bound_at[side]

    def level_price(self, number: int, side: Side, price: Decimal, instrument: Instrument) -> Decimal:
        """Where a level would lie that has none before it, on a tick."""
        away = price * self._levels_at[side][number]
        away /= instrument.tick_size
        ticks = whole_ceiling(away) if side is BUY else whole_floor(away)
        return max(ticks, _ONE) * instrument.tick_size


class Depth:
    """What takers can have around one price. Levels are worked out when somebody gets that far, and then kept.

    `price` and `volume` are those it was made for; it holds while the market still has the same.
    """

    __slots__ = ("_asks", "_bids", "_instrument", "_liquidity", "_resting", "price", "volume")

    def __init__(self, liquidity: Liquidity, price: Decimal, volume: Decimal, instrument: Instrument) -> None:
        self.price = price
        self.volume = volume
        self._liquidity = liquidity
        self._instrument = instrument
        self._asks: Offers | None = None
        self._bids: Offers | None = None
        self._resting: Decimal | None = None

    def offers(self, side: Side) -> Offers:
        """What a taker of this side meets."""
        if side is BUY:
            if self._asks is None:
                self._asks = Offers(self._liquidity, side, self.price, self.volume, self._instrument)
            return self._asks
        if self._bids is None:
            self._bids = Offers(self._liquidity, side, self.price, self.volume, self._instrument)
        return self._bids

    def resting_quantity(self, price: Decimal) -> Decimal:
        """How much of a resting order one leg through its price can fill."""
        if self._resting is None:
            self._resting = self._instrument.round_quantity(self.volume * self._liquidity.resting_share)
        return max(self._resting, self._instrument.min_order_quantity(price))


class Offers:
    """One side of the book as a taker of `side` meets it, best first. `market_limit` bounds his market orders."""

    __slots__ = (
        "_found",
        "_instrument",
        "_last",
        "_liquidity",
        "_looked",
        "_price",
        "_side",
        "_volume",
        "market_limit",
    )

    def __init__(
        self, liquidity: Liquidity, side: Side, price: Decimal, volume: Decimal, instrument: Instrument
    ) -> None:
        self._liquidity = liquidity
        self._instrument = instrument
        self._side = side
        self._price = price
        self._volume = volume
        self._looked = 0
        self._last: Decimal | None = None
        self._found: list[Level] = []
        self._find_next()
        self.market_limit = instrument.round_price(liquidity.market_limit(side, price))

    @property
    def best(self) -> Level:
        """What he meets first."""
        return self._found[0]

    def all(self) -> list[Level]:
        while self._find_next():
            pass
        return self._found

    def within(self, limit: Decimal, quantity: Decimal) -> list[Level]:
        """Levels no worse than `limit` for him, and no more of them than hold `quantity`."""
        found, is_buy = self._found, self._side is BUY
        levels: list[Level] = []
        missing = quantity
        # what is found by the way is walked as well: a list may grow while one goes along it
        for level in found:
            price, offered = level
            if price > limit if is_buy else price < limit:
                break
            levels.append(level)
            if offered >= missing:
                break
            missing -= offered
            if len(levels) == len(found):
                self._find_next()
        return levels

    def whole(self, quantity: Decimal) -> list[Level]:
        """Levels that hold `quantity`, no more of them than it takes; what the book lacks lies on one behind its last.

        For closes by the exchange itself: a stop that an empty book leaves open would protect nobody.
        """
        found = self._found
        levels: list[Level] = []
        missing = quantity
        for level in found:
            levels.append(level)
            missing -= level.quantity
            if missing <= _ZERO:
                return levels
            if len(levels) == len(found):
                self._find_next()
        levels.append(Level(self._price_behind(levels[-1].price), missing))
        return levels

    def _find_next(self) -> bool:
        """Work out one more level. False when there is none."""
        liquidity, instrument, shares = self._liquidity, self._instrument, self._liquidity.level_shares
        step = instrument.quantity_step
        while self._looked < len(shares):
            number, before = self._looked, self._last
            price = liquidity.level_price(number, self._side, self._price, instrument)
            if before is not None and self._side.sign * (price - before) <= _ZERO:
                price = before + self._side.sign * instrument.tick_size
            if price <= _ZERO:
                self._looked = len(shares)
                return False
            self._looked, self._last = number + 1, price
            quantity = whole_down(self._volume * shares[number] / step) * step
            if number == 0 and not instrument.takes(quantity, price):
                quantity = max(quantity, instrument.min_order_quantity(price))
            if quantity > _ZERO:
                self._found.append(_new_tuple(Level, (price, quantity)))
                return True
        return False

    def _price_behind(self, last: Decimal) -> Decimal:
        liquidity, tick = self._liquidity, self._instrument.tick_size
        behind = liquidity.level_price(len(liquidity.level_shares), self._side, self._price, self._instrument)
        return max(behind, last + tick) if self._side is BUY else max(min(behind, last - tick), tick)
