"""The walk along the legs of all bars at once: who is reached first acts first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import IntEnum, unique
from typing import NamedTuple

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.engine import liquidation, matching, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.path import Leg
from paper_exchange.engine.venue import Venue, exact_liq_price
from paper_exchange.engine.working_order import WorkingOrder


@unique
class Rank(IntEnum):
    """What goes first at one price."""

    LIMIT = 0
    STOP = 1
    LIQUIDATION = 2


class Touch(NamedTuple):
    """Somebody is reached after `distance` along a symbol's leg. Sorts by when, then by names; never by arrival."""

    at_ms: int
    symbol: Symbol
    distance: Decimal
    rank: Rank
    uid: int
    name: str


def walk_leg(venue: Venue, path: Mapping[Symbol, Leg]) -> None:
    """Move each symbol along its leg and let everything on the way happen, then look at every account's margin."""
    walk = _Walk(venue, path)
    walk.run()


class _Walk:
    __slots__ = ("_path", "_queue", "_venue")

    def __init__(self, venue: Venue, path: Mapping[Symbol, Leg]) -> None:
        self._venue = venue
        self._path = path
        self._queue: list[Touch] = []

    def run(self) -> None:
        for symbol, leg in self._path.items():
            market = self._venue.markets[symbol]
            for account, order in market.resting.values():
                self._look_at_order(leg, account, order)
            for account, holding in market.holders.values():
                self._look_at_holding(leg, account, holding, ZERO)
        while self._queue:
            self._act(heapq.heappop(self._queue))
        for symbol, leg in self._path.items():
            market = self._venue.markets[symbol]
            market.move(leg.end_price)
            for _, holding in market.holders.values():
                if holding.trailing is not None:
                    holding.trailing.observe(leg.end_price)
        check_margins(self._venue, {symbol: leg.end_ms for symbol, leg in self._path.items()})

    def _act(self, touch: Touch) -> None:
        """The queue may hold what has become untrue since: an order gone, a position closed, margin that came in."""
        market = self._venue.markets[touch.symbol]
        leg = self._path[touch.symbol]
        account = self._venue.accounts[touch.uid]
        holding = account.holding(market)
        at = from_ms(touch.at_ms)
        market.move(leg.price_at(touch.distance))
        if touch.rank is Rank.LIMIT:
            resting = market.resting.get(touch.name)
            if resting is None:
                return
            matching.fill_resting(self._venue, account, resting[1], at)
            self._look_at_holding(leg, account, holding, touch.distance)
        elif touch.rank is Rank.STOP:
            kind = StopKind(touch.name)
            level = stops.trigger_level(holding, kind)
            if level is not None and _is_reached(holding, kind, level, market.last_price):
                matching.trigger_stop(self._venue, account, holding, kind, at)
        elif liquidation.is_due(account):
            liquidation.liquidate(self._venue, account, at)

    def _look_at_order(self, leg: Leg, account: Account, order: WorkingOrder) -> None:
        """A resting order is reached where the price crosses its limit, or at the end of a leg wholly beyond it."""
        limit = order.price
        if limit is None:
            return
        sign = order.side.sign
        ahead, behind = sign * (limit - leg.end_price) > 0, sign * (limit - leg.start_price) > 0
        if not ahead and not behind:
            return
        distance = leg.length if ahead and behind else abs(limit - leg.start_price)
        self._push(leg, distance, Rank.LIMIT, account, order.symbol, order.order_id)

    def _look_at_holding(self, leg: Leg, account: Account, holding: Holding, since: Decimal) -> None:
        """Find where the stops and the liquidation of a position are reached on what is left of the leg."""
        if holding.quantity == 0:
            return
        for kind in holding.stops:
            level = stops.trigger_level(holding, kind)
            if level is not None:
                rising = stops.triggers_rising(holding, kind)
                self._look_at_level(leg, level, rising, since, Rank.STOP, account, holding.symbol, kind.value)
        liq_price = exact_liq_price(account, holding)
        if liq_price is not None:
            rising = holding.quantity < 0
            level = _tick_beyond(liq_price - holding.market.basis, rising, holding.market)
            self._look_at_level(leg, level, rising, since, Rank.LIQUIDATION, account, holding.symbol, "")

    def _look_at_level(
        self, leg: Leg, level: Decimal, rising: bool, since: Decimal, rank: Rank, account: Account, symbol: Symbol,
        name: str,
    ) -> None:  # fmt: skip
        way = 1 if rising else -1
        if way * (leg.price_at(since) - level) >= 0:
            self._push(leg, since, rank, account, symbol, name)
        elif way * (leg.end_price - level) >= 0:
            self._push(leg, abs(level - leg.start_price), rank, account, symbol, name)

    def _push(self, leg: Leg, distance: Decimal, rank: Rank, account: Account, symbol: Symbol, name: str) -> None:
        heapq.heappush(self._queue, Touch(leg.ms_at(distance), symbol, distance, rank, account.uid, name))


def check_margins(venue: Venue, symbols: Mapping[Symbol, int]) -> None:
    """Liquidate whoever is due among the holders in the symbols, each at the time (ms) given for its symbol.

    Beside the liquidation prices, because these cannot foresee losses on several symbols at once or a mark price of its
    own at the close.
    """
    accounts = {uid: at_ms for symbol, at_ms in symbols.items() for uid, _ in venue.markets[symbol].holders}
    for uid in sorted(accounts):
        account = venue.accounts[uid]
        if liquidation.is_due(account):
            liquidation.liquidate(venue, account, from_ms(accounts[uid]))


def _tick_beyond(price: Decimal, rising: bool, market: Market) -> Decimal:
    """The first tick past the price, so that what is due there is due without a doubt in the last digit."""
    tick = market.instrument.tick_size
    return (price / tick).to_integral_value(ROUND_CEILING if rising else ROUND_FLOOR) * tick


def _is_reached(holding: Holding, kind: StopKind, level: Decimal, price: Decimal) -> bool:
    way = 1 if stops.triggers_rising(holding, kind) else -1
    return way * (price - level) >= 0
