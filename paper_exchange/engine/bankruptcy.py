from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from paper_exchange.engine.holding import Holding
from paper_exchange.engine.margin import bankruptcy_price
from paper_exchange.engine.money import ZERO

_ROUNDING_RESERVE: Final = Decimal("0.00000002")
"""More than the rounding of an execution's fee and P&L; kept back so that the balance cannot end below 0."""


def bankruptcy_price_on_tick(holding: Holding, equity: Decimal, fee_rate: Decimal) -> Decimal:
    """The price at which closing the position uses up the equity, on the tick that leaves a little, not owing."""
    market = holding.market
    tick = market.instrument.tick_size
    price = bankruptcy_price(holding.quantity, market.mark_price, equity - _ROUNDING_RESERVE, fee_rate)
    rounding = ROUND_CEILING if holding.quantity > ZERO else ROUND_FLOOR
    return max((price / tick).to_integral_value(rounding) * tick, tick)
