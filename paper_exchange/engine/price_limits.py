"""The highest price at which a limit order may buy and the lowest at which it may sell.

Bybit's formula since 26 May 2026: with mark price M, index price I, and P the mean of (mid - mark) over 30 seconds,

    highest buy = min(M x (1 + Y), max(I, M x (1 + X) + max(0, P)))
    lowest sell = max(M x (1 - Y), min(I, M x (1 - X) + min(0, P)))

X and Y are the instrument's priceLimitRatioX and priceLimitRatioY; the ratios of BTCUSDT are taken for every symbol. A
bar has no mid price of every second, so P is what the last price is away from the mark now.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO

RATIO_X: Final = Decimal("0.01")
RATIO_Y: Final = Decimal("0.02")

_ONE: Final = Decimal(1)


def highest_buy(market: Market, at: Decimal | None = None) -> Decimal:
    """On a tick. `at` is a price where mark, index and last price are supposed to be (default: where they are)."""
    mark, index, premium = _prices(market, at)
    limit = min(mark * (_ONE + RATIO_Y), max(index, mark * (_ONE + RATIO_X) + max(ZERO, premium)))
    tick = market.instrument.tick_size
    return (limit / tick).to_integral_value(ROUND_FLOOR) * tick


def lowest_sell(market: Market, at: Decimal | None = None) -> Decimal:
    """On a tick. `at` is a price where mark, index and last price are supposed to be (default: where they are)."""
    mark, index, premium = _prices(market, at)
    limit = max(mark * (_ONE - RATIO_Y), min(index, mark * (_ONE - RATIO_X) + min(ZERO, premium)))
    tick = market.instrument.tick_size
    return (limit / tick).to_integral_value(ROUND_CEILING) * tick


def _prices(market: Market, at: Decimal | None) -> tuple[Decimal, Decimal, Decimal]:
    if at is not None:
        return at, at, ZERO
    return market.mark_price, market.index_price, market.last_price - market.mark_price
