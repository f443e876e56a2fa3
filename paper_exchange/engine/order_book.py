"""The book that everybody sees: what market orders can have, and the orders that rest, of all accounts.

Every order meets the market's own levels whole and no other order (see `Liquidity`), so what is left of an order after
the price has gone through it, or of two accounts' orders against each other, could stand on the wrong side of the last
price. A book never shows that: nothing is bid above the last price or offered below it, and at one price nobody stands
on both sides. Orders that would are shown at the nearest price where they may.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from alpha.domain.side import Side
from paper_exchange.engine.liquidity import Level
from paper_exchange.engine.market import Market
from paper_exchange.engine.matching import depth_of
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.venue import Venue


class OrderBook(NamedTuple):
    """Levels best first; the best bid lies below the best ask. `update_id` and `seq` never fall within a symbol."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    update_id: int
    seq: int


def order_book(venue: Venue, market: Market, depth: int | None = None) -> OrderBook:
    """The book as it stands, at most `depth` levels of each side; empty before the first price."""
    update_id = market.moves + venue.changes
    if not market.has_price:
        return OrderBook((), (), update_id, market.seq)
    book, last, tick = depth_of(venue, market), market.last_price, market.instrument.tick_size
    bids = _merged(book.offers(Side.SELL).all())
    asks = _merged(book.offers(Side.BUY).all())
    for _, order in market.resting.values():
        if order.price is None:
            continue
        if order.side is Side.BUY:
            _add(bids, min(order.price, last), order.leaves_quantity)
        else:
            _add(asks, max(order.price, last), order.leaves_quantity)
    if bids:
        best = max(bids)
        for price in [price for price in asks if price <= best]:
            _add(asks, best + tick, asks.pop(price))
    return OrderBook(
        tuple(Level(price, bids[price]) for price in sorted(bids, reverse=True)[:depth]),
        tuple(Level(price, asks[price]) for price in sorted(asks)[:depth]),
        update_id,
        market.seq,
    )


def _merged(levels: Iterable[Level]) -> dict[Decimal, Decimal]:
    return {level.price: level.quantity for level in levels}


def _add(side: dict[Decimal, Decimal], price: Decimal, quantity: Decimal) -> None:
    side[price] = side.get(price, ZERO) + quantity
