"""The walk along the legs of all bars at once: who is reached first acts first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum, unique
from typing import NamedTuple

from alpha.domain.arithmetic import whole_ceiling, whole_floor
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.engine import liquidation, matching, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.path import Leg
from paper_exchange.engine.requests import TriggerBy
from paper_exchange.engine.triggering import trigger, trigger_level, triggers_rising
from paper_exchange.engine.venue import Venue, exact_liq_price
from paper_exchange.engine.working_order import WorkingOrder


@unique
class Rank(IntEnum):
    """What goes first at one price."""

    LIMIT = 0
    STOP = 1
    LIQUIDATION = 2


class Touch(NamedTuple):
    """Somebody is reached after `distance` along a symbol's leg. Sorts by when, then by names; never by arrival.

    `name` is the kind of a stop or the link id of an order that has one, so that which of two goes first does not hang
    on the seed from which order ids are made.
    """

    at_ms: int
    symbol: Symbol
    distance: Decimal
    rank: Rank
    uid: int
    position_idx: int
    name: str
    order_id: str


def walk_leg(venue: Venue, path: Mapping[Symbol, Leg]) -> None:
    """Move each symbol along its leg and let everything on the way happen, then look at every account's margin."""
    walk = _Walk(venue, path)
    walk.look()
    walk.run()
    for symbol, leg in path.items():
        market = venue.markets[symbol]
        market.move(leg.end_price)
        for _, holding in market.holders.values():
            stops.observe(holding, leg.end_price)
    check_margins(venue, {symbol: leg.end_ms for symbol, leg in path.items()})


def settle_close(venue: Venue, symbols: Mapping[Symbol, int]) -> None:
    """What mark and index prices of their own at the close bring about, at the time (ms) given for each symbol.

    The last price has not moved, so only triggers that watch the other two can be reached, and liquidations.
    """
    path: dict[Symbol, Leg] = {}
    for symbol, at_ms in symbols.items():
        market = venue.markets[symbol]
        if any(order.trigger_by is not TriggerBy.LAST for _, order in market.triggers.values()):
            path[symbol] = Leg(at_ms, at_ms, market.last_price, market.last_price)
    if path:
        walk = _Walk(venue, path)
        walk.look_at_triggers()
        walk.run()
    check_margins(venue, symbols)


class _Walk:
    __slots__ = ("_path", "_queue", "_venue")

    def __init__(self, venue: Venue, path: Mapping[Symbol, Leg]) -> None:
        self._venue = venue
        self._path = path
        self._queue: list[Touch] = []
        venue.began_to_wait.clear()

    def look(self) -> None:
        """Find all whom the legs reach."""
        for symbol, leg in self._path.items():
            market = self._venue.markets[symbol]
            for account, order in market.resting.values():
                self._look_at_resting(leg, account, order, ZERO)
            for account, holding in market.holders.values():
                self._look_at_liquidation(leg, account, holding, ZERO)
        self.look_at_triggers()

    def look_at_triggers(self) -> None:
        for symbol, leg in self._path.items():
            for account, order in self._venue.markets[symbol].triggers.values():
                self._look_at_trigger(leg, account, order, ZERO)

    def run(self) -> None:
        while self._queue:
            self._act(heapq.heappop(self._queue))

    def _act(self, touch: Touch) -> None:
        """The queue may hold what has become untrue since: an order gone, a position closed, margin that came in."""
        venue = self._venue
        market = venue.markets[touch.symbol]
        leg = self._path[touch.symbol]
        account = venue.accounts[touch.uid]
        at = from_ms(touch.at_ms)
        market.move(leg.price_at(touch.distance))
        if touch.rank is Rank.LIMIT:
            resting = market.resting.get(touch.order_id)
            if resting is None:
                return
            matching.fill_resting(venue, account, resting[1], at)
        elif touch.rank is Rank.STOP:
            waiting = market.triggers.get(touch.order_id)
            if waiting is None or not _is_reached(waiting[1], market):
                return
            trigger(venue, account, waiting[1], at)
        else:
            if liquidation.is_due(account):
                liquidation.liquidate(venue, account, at)
            return
        self._look_again(leg, account, account.holding(market, touch.position_idx), touch.distance)

    def _look_again(self, leg: Leg, account: Account, holding: Holding, since: Decimal) -> None:
        """After a match the position may be another, and orders may have begun to wait, on what is left of the leg."""
        self._look_at_liquidation(leg, account, holding, since)
        began = self._venue.began_to_wait
        if began:
            for owner, order in began:
                if order.is_untriggered:
                    self._look_at_trigger(leg, owner, order, since)
                elif order.is_open and leg.length:
                    self._look_at_resting(leg, owner, order, since)
            began.clear()

    def _look_at_resting(self, leg: Leg, account: Account, order: WorkingOrder, since: Decimal) -> None:
        """A resting order is reached where the price crosses its limit, or at the end of a leg wholly beyond it."""
        limit = order.price
        if limit is None:
            return
        sign = order.side.sign
        ahead, behind = sign * (limit - leg.end_price) > 0, sign * (limit - leg.price_at(since)) > 0
        if not ahead and not behind:
            return
        distance = leg.length if ahead and behind else abs(limit - leg.start_price)
        self._push(leg, distance, Rank.LIMIT, account.uid, order)

    def _look_at_trigger(self, leg: Leg, account: Account, order: WorkingOrder, since: Decimal) -> None:
        level = trigger_level(order, order.holding)
        if level is None:
            return
        distance = _distance_to(leg, level, triggers_rising(order), since)
        if distance is not None:
            self._push(leg, distance, Rank.STOP, account.uid, order)

    def _look_at_liquidation(self, leg: Leg, account: Account, holding: Holding, since: Decimal) -> None:
        if holding.quantity == 0:
            return
        liq_price = exact_liq_price(account, holding)
        if liq_price is None:
            return
        rising = holding.quantity < 0
        level = _tick_beyond(liq_price - holding.market.basis, rising, holding.market)
        distance = _distance_to(leg, level, rising, since)
        if distance is not None:
            touch = Touch(
                leg.ms_at(distance), holding.symbol, distance, Rank.LIQUIDATION,
                account.uid, holding.position_idx, "", "",
            )  # fmt: skip
            heapq.heappush(self._queue, touch)

    def _push(self, leg: Leg, distance: Decimal, rank: Rank, uid: int, order: WorkingOrder) -> None:
        name = order.order_link_id or order.stop_order_type
        touch = Touch(leg.ms_at(distance), order.symbol, distance, rank, uid, order.position_idx, name, order.order_id)
        heapq.heappush(self._queue, touch)


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


def _distance_to(leg: Leg, level: Decimal, rising: bool, since: Decimal) -> Decimal | None:
    """How far along the leg, from `since` on, the price reaches a level it rises or falls to; None when it does not."""
    begins_at = leg.price_at(since) if since else leg.start_price
    if begins_at >= level if rising else begins_at <= level:
        return since
    if leg.end_price >= level if rising else leg.end_price <= level:
        return abs(level - leg.start_price)
    return None


def _tick_beyond(price: Decimal, rising: bool, market: Market) -> Decimal:
    """The first tick past the price, so that what is due there is due without a doubt in the last digit."""
    tick = market.instrument.tick_size
    ticks = price / tick
    return (whole_ceiling(ticks) if rising else whole_floor(ticks)) * tick


def _is_reached(order: WorkingOrder, market: Market) -> bool:
    level = trigger_level(order, order.holding)
    if level is None:
        return False
    return market.last_price >= level if triggers_rising(order) else market.last_price <= level
