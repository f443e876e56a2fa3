"""How a step takes the market from the start to the end of its bars. What happens along a bar is told in `path`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from paper_exchange.engine import matching, path, stops
from paper_exchange.engine.funding import pay_funding
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.quiet import quiet_ranges
from paper_exchange.engine.quiet_range import QuietRange
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.walk import check_margins, settle_close, walk_leg

Prices = Mapping[Symbol, Decimal]


def step(
    venue: Venue, bars: Mapping[Symbol, Bar], marks: Prices | None, index: Prices | None, funding: Prices | None
) -> None:
    """As `Engine.step`. A bar that cannot touch anybody is not walked: it only leaves its prices behind."""
    first = _first_of(venue, bars)
    if funding:
        for symbol in sorted(funding):
            market = venue.markets[symbol]
            if market.holders:
                pay_funding(venue, market, funding[symbol], first.start)
    is_quiet = not venue.pending and _touches_nobody(venue, bars, marks, index)
    if not is_quiet:
        _walk_bars(venue, bars, first, marks, index)
    jumped: list[Symbol] = []
    for symbol, bar in bars.items():
        market = venue.markets[symbol]
        close = bar.close
        if is_quiet:
            market.volume = bar.volume
        if market.basis or market.index_basis or marks is not None or index is not None:
            jumped.append(symbol)
        mark = close if marks is None else marks.get(symbol, close)
        market.close_bar(close, mark, None if index is None else index.get(symbol))
    if jumped and not is_quiet:
        end_ms = to_ms(first.end) - 1
        settle_close(venue, {symbol: end_ms for symbol in jumped if venue.markets[symbol].is_touched})
    venue.now = first.end
    venue.unnamed.clear()


def match_arrivals(venue: Venue, symbols: Container[Symbol], at: datetime) -> None:
    """Match the orders that wait for a price in one of the symbols, in their fixed order."""
    arrivals = [(account, order) for account, order in venue.pending.values() if order.symbol in symbols]
    if len(arrivals) > 1:
        arrivals.sort(key=lambda arrival: arrival[1].sort_key)
    for account, order in arrivals:
        if venue.pending.pop(order.order_id, None) is not None:
            matching.match_arrival(venue, account, order, at)


def rest_arrived(venue: Venue) -> set[Symbol]:
    """Let rest what was matched and is open still. Gives the symbols in which something rests now."""
    symbols = set()
    for account, order in venue.arrived:
        if order.is_open:
            venue.markets[order.symbol].resting[order.order_id] = (account, order)
            symbols.add(order.symbol)
    venue.arrived.clear()
    return symbols


def _first_of(venue: Venue, bars: Mapping[Symbol, Bar]) -> Bar:
    if not bars:
        raise InvalidValue("a step needs at least one bar")
    first = next(iter(bars.values()))
    start = first.start
    if start < venue.now:
        raise InvalidValue(f"bar of {start.isoformat()} lies before the market time {venue.now.isoformat()}")
    for symbol, bar in bars.items():
        if symbol not in venue.markets:
            raise InvalidValue(f"bar of {symbol}, which has no instrument here")
        if bar.symbol != symbol or (bar is not first and (bar.start != start or bar.interval != first.interval)):
            raise InvalidValue(f"bars of one step must share start and interval: {symbol} {bar.start.isoformat()}")
    return first


def _touches_nobody(venue: Venue, bars: Mapping[Symbol, Bar], marks: Prices | None, index: Prices | None) -> bool:
    """Of bars that no order waits for."""
    ranges: Mapping[Symbol, QuietRange | None] | None = None
    for symbol, bar in bars.items():
        market = venue.markets[symbol]
        if market.is_touched:
            ranges = quiet_ranges(venue) if ranges is None else ranges
            mark = None if marks is None else marks.get(symbol)
            index_price = None if index is None else index.get(symbol)
            if not _is_quiet(ranges[symbol], market, bar, mark, index_price):
                return False
    return True


def _is_quiet(
    quiet: QuietRange | None, market: Market, bar: Bar, mark: Decimal | None, index_price: Decimal | None
) -> bool:
    """Whether last, mark and index price stay inside the range all along the bar and at its close."""
    if quiet is None:
        return False
    lowest, highest = bar.low, bar.high
    if market.basis or market.index_basis:
        bases = (ZERO, market.basis, market.index_basis)
        lowest, highest = lowest + min(bases), highest + max(bases)
    for price in (mark, index_price):
        if price is not None:
            lowest, highest = min(lowest, price), max(highest, price)
    return quiet.low < lowest and highest < quiet.high


def _walk_bars(
    venue: Venue, bars: Mapping[Symbol, Bar], first: Bar, marks: Prices | None, index: Prices | None
) -> None:
    # Of what was there before the open the gap may have reached something. What begins at the open has, as a rule, no
    # stop or liquidation that the rest of the bar reaches.
    was_idle, held = True, []
    for symbol, bar in bars.items():
        market = venue.markets[symbol]
        if market.is_touched:
            was_idle = False
            if market.holders:
                held.append(symbol)
        market.volume = bar.volume
        market.move(bar.open)
    if held:
        check_margins(venue, dict.fromkeys(held, to_ms(first.start)))
    if venue.pending:
        match_arrivals(venue, bars, first.start)
    touched = {symbol: bar for symbol, bar in bars.items() if venue.markets[symbol].is_touched}
    begins_quietly = was_idle and not venue.pending
    if not venue.arrived and (not touched or (begins_quietly and _touches_nobody(venue, bars, marks, index))):
        return
    walk_leg(venue, {symbol: path.opening(bar) for symbol, bar in touched.items()})
    touched |= {symbol: bars[symbol] for symbol in rest_arrived(venue)}
    legs = {symbol: path.legs(touched[symbol]) for symbol in sorted(touched)}
    for number in range(3):
        walk_leg(venue, {symbol: three[number] for symbol, three in legs.items()})
    end = from_ms(to_ms(first.end) - 1)
    for symbol in legs:
        for _, (account, holding) in sorted(venue.markets[symbol].holders.items()):
            stops.tell_trailing(venue, account, holding, end)
    # the quiet ranges are careful: the prices may have left them without anything having been told
    venue.changes += 1
