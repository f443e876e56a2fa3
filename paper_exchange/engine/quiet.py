"""How far a price may go before anything happens: what lets a backtest leave out the bars that change nothing.

Careful and not exact: a price inside the range touches nobody, a price on its edge or beyond may or may not. The walk
along a bar remains the one place that decides what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from alpha.domain.ids import Symbol
from paper_exchange.engine import liquidation
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.members import SELL
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.quiet_range import NOTHING_AT_STAKE, QuietRange
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.trailing_stop import TrailingStop
from paper_exchange.engine.triggering import triggers_rising
from paper_exchange.engine.venue import Venue

_ONE: Final = Decimal(1)


def quiet_ranges(venue: Venue) -> Mapping[Symbol, QuietRange | None]:
    """The ranges of all symbols in which somebody has something at stake, made anew when anything has happened."""
    made_at, ranges = venue.quiet
    if made_at != venue.changes:
        ranges = {symbol: quiet_range(venue, symbol) for symbol, market in venue.markets.items() if market.is_touched}
        venue.quiet = (venue.changes, ranges)
    return ranges


def quiet_range(venue: Venue, symbol: Symbol) -> QuietRange | None:
    """Where the prices of the symbol may move without anything happening to anybody, None when the next bar has to be
    walked in any case (an order waits for its open, or a holder is to be liquidated there).

    It holds for last and mark prices alike, for as long as the prices of every symbol stay inside their own ranges and
    nobody asks for anything: nothing rests or triggers inside, no trailing stop activates or moves its peak, and an
    account is not liquidated even with all its positions at the edge at once.
    """
    if venue.pending and any(order.symbol == symbol for _, order in venue.pending.values()):
        return None
    market = venue.markets[symbol]
    if not market.is_touched:
        return NOTHING_AT_STAKE
    low, high = NOTHING_AT_STAKE.low, NOTHING_AT_STAKE.high
    levels = _levels(venue, market)
    if levels:
        lowest, highest = _spread(market)
        for level, rising in levels:
            # One that is reached already, as a stop may be that came with an order, acts on the next bar.
            if rising:
                if highest >= level:
                    return None
                high = min(high, level)
            else:
                if lowest <= level:
                    return None
                low = max(low, level)
    for account, holding in market.holders.values():
        if liquidation.is_due(account):
            return None
        room = _room(account, holding)
        if holding.quantity > 0:
            low = max(low, market.mark_price * (_ONE - room))
        else:
            high = min(high, market.mark_price * (_ONE + room))
    return QuietRange(low, high)


def _spread(market: Market) -> tuple[Decimal, Decimal]:
    """The lowest and the highest of the prices that something may be reached by."""
    prices = (market.last_price, market.mark_price, market.index_price)
    return min(prices), max(prices)


def _levels(venue: Venue, market: Market) -> list[tuple[Decimal, bool]]:
    """Every price at which something may happen to an order of the symbol, and whether a rising price gets there."""
    symbol = market.instrument.symbol
    found: list[tuple[Decimal, bool]] = []
    for account in venue.accounts.values():
        orders = account.open_orders.get(symbol)
        if not orders:
            continue
        for order in orders.values():
            if order.stop_order_type == StopKind.TRAILING_STOP:
                continue  # its order shows the activation; where it stands is told by the position below
            if order.is_untriggered:
                if order.trigger_price is not None:
                    found.append((order.trigger_price, triggers_rising(order)))
            elif order.price is not None:
                found.append((order.price, order.side is SELL))
    for _, holding in market.holders.values():
        if holding.trailing is not None:
            found.extend(_trailing_levels(holding.trailing))
    return found


def _trailing_levels(trailing: TrailingStop) -> list[tuple[Decimal, bool]]:
    """The activation, or of an active one the best price so far, which any better one would replace, and its level."""
    is_long = trailing.direction > 0
    found: list[tuple[Decimal, bool]] = []
    best = trailing.active_price if trailing.peak is None else trailing.peak
    if best is not None:
        found.append((best, is_long))
    if trailing.level is not None:
        found.append((trailing.level, not is_long))
    return found


def _room(account: Account, holding: Holding) -> Decimal:
    """The fraction by which the mark price may go against a position before a liquidation; in cross margin that of
    every position of the account at once.

    A move by a fraction f costs f of a value, and raises the maintenance margin of a short by f of its own.
    """
    if account.is_isolated:
        spare = holding.initial_margin + holding.unrealized_pnl - holding.maintenance_margin
        cost = holding.mark_value * (_ONE + holding.maintenance_per_value)
    else:
        spare, cost = account.equity - account.maintenance_margin, ZERO
        for held in account.held.values():
            cost += held.mark_value * (_ONE + held.maintenance_per_value)
    return spare / cost
