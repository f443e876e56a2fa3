"""Risk limit tiers: the larger a position, the less leverage it may have and the more margin must remain.

As Bybit describes them (https://bybit-exchange.github.io/docs/v5/market/risk-limit, its help centre's "Risk Limit"):
the tier follows the value of a position by itself; the maintenance margin is value x rate - deduction, and the
deduction of each tier makes it continuous at the border; what a leverage may be used for ends with the last tier that
allows it. Here the value is that of the position at the mark price; open orders count where a new one would carry the
position beyond what its leverage allows, and not for the tier (Bybit counts them for both).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple, final

from paper_exchange.engine.margin import liquidation_price, maintenance_rate
from paper_exchange.engine.money import ZERO

_NO_LIMIT: Final = Decimal("Infinity")
_WIDTHS: Final = ("1", "1.3", "1.6", "2", "2.8", "4", "6", "11", "25", "100")
"""Limits of the tiers, in limits of the first: leverage falls about as the root of what a position is worth."""
_RATE_PLACES: Final = Decimal("0.0001")
_LEVERAGE_PLACES: Final = Decimal("0.01")


class RiskTier(NamedTuple):
    """For positions worth up to `limit` in the quote currency (Infinity: any). Rates are fractions of the value."""

    id: int
    limit: Decimal
    max_leverage: Decimal
    maintenance_rate: Decimal
    deduction: Decimal


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class RiskTiers:
    """The tiers of one symbol, smallest positions first."""

    all: Final[tuple[RiskTier, ...]]

    def __init__(self, all: tuple[RiskTier, ...]) -> None:
        self.all = all

    def __reduce__(self) -> tuple[type[RiskTiers], tuple[tuple[RiskTier, ...]]]:
        # Made anew where it is unpacked: a compiled class cannot be made without its fields.
        return RiskTiers, (self.all,)

    @classmethod
    def single(cls, max_leverage: Decimal) -> RiskTiers:
        """One tier for positions of any size."""
        return cls((RiskTier(1, _NO_LIMIT, max_leverage, maintenance_rate(max_leverage), ZERO),))

    @classmethod
    def graded(cls, max_leverage: Decimal, first_limit: Decimal) -> RiskTiers:
        """Ten tiers, each with a tenth of the highest leverage less than the one before.

        They begin as BTCUSDT's table does (2,000,000 at 100x and 0.5 %, 2,600,000 at 90x and 0.56 %). The real ones are
        the exchange's own for each symbol, longer, and changed often.
        """
        tiers = [RiskTier(1, first_limit, max_leverage, maintenance_rate(max_leverage), ZERO)]
        for grade, width in enumerate(_WIDTHS[1:], start=1):
            before = tiers[-1]
            leverage = (max_leverage * (len(_WIDTHS) - grade) / len(_WIDTHS)).quantize(_LEVERAGE_PLACES)
            rate = maintenance_rate(leverage).quantize(_RATE_PLACES, ROUND_CEILING)
            deduction = before.deduction + before.limit * (rate - before.maintenance_rate)
            tiers.append(RiskTier(grade + 1, first_limit * Decimal(width), leverage, rate, deduction))
        return cls(tuple(tiers))

    def of(self, value: Decimal) -> RiskTier:
        """The tier of a position worth so much; the last one also beyond its limit."""
        for tier in self.all:
            if value <= tier.limit:
                return tier
        return self.all[-1]

    def largest_value(self, leverage: Decimal) -> Decimal:
        """What a position of this leverage may be worth at most."""
        return max((tier.limit for tier in self.all if leverage <= tier.max_leverage), default=ZERO)

    def maintenance(self, value: Decimal, rates: Sequence[Decimal]) -> Decimal:
        """Margin that must remain of a position worth so much; `rates` are those of the tiers, closing fee included."""
        tier = self.of(value) if len(self.all) > 1 else self.all[0]
        return value * rates[tier.id - 1] - tier.deduction

    def liquidation_price(
        self,
        quantity: Decimal,
        mark_price: Decimal,
        equity: Decimal,
        other_maintenance: Decimal,
        rates: Sequence[Decimal],
    ) -> Decimal | None:
        """The mark price at which what stands behind the signed position is its maintenance margin, all else unmoved.

        Of all tiers the one that asks for most decides, because the margin only grows steeper with the value: the
        highest of their prices for a long position, the lowest for a short one. None when no price above 0 does it.
        """
        first, *others = self.all
        price = liquidation_price(quantity, mark_price, equity, other_maintenance, rates[0], first.deduction)
        for tier in others:
            rate = rates[tier.id - 1]
            other = liquidation_price(quantity, mark_price, equity, other_maintenance, rate, tier.deduction)
            price = max(price, other) if quantity > ZERO else min(price, other)
        return price if price > ZERO else None
