"""How an order meets the book."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvariantViolated
from alpha.domain.fill import ExecType
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.liquidity import Level
from paper_exchange.engine.market import Market
from paper_exchange.engine.settlement import finish_match, settle
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_NOTHING_TO_REDUCE = "CancelByReduceOnly"


def match_arrival(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """Match an order that arrived since the last bar against the book around the open.

    What may rest waits among `venue.arrived`: the gap to the open, which it was not there for, must not fill it.

    Too little margin at this moment ends it as Rejected, or Cancelled when an amended order has filled before
    (rejectReason EC_Others; UNCONFIRMED, Bybit decides on arrival). A fill-or-kill order that cannot fill whole ends
    with EC_CancelForNoFullFill (UNCONFIRMED).
    """
    market = venue.markets[order.symbol]
    holding = account.holding(market)
    room = order.leaves_quantity
    if order.reduce_only:
        room = min(room, holding.closable(order.side))
        if room == 0:
            cancel(venue, account, order, at, cancel_type=_NOTHING_TO_REDUCE)
            venue.tell_position(account, holding, at)
            return
    elif not account.can_carry(order, holding):
        status = OrderStatus.CANCELLED if order.filled_quantity else OrderStatus.REJECTED
        cancel(venue, account, order, at, status=status, reject_reason="EC_Others")
        venue.tell_position(account, holding, at)
        return
    limit = order.price
    if order.order_type is OrderType.MARKET:
        limit = order.price = venue.liquidity.market_limit(order.side, market.last_price, market.instrument)
    levels = _within(market, venue, order, limit)
    if order.time_in_force is TimeInForce.POST_ONLY:
        if levels:
            _end(venue, account, order, holding, at, "EC_PostOnlyWillTakeLiquidity")
            return
    elif order.time_in_force is TimeInForce.FOK and sum(level.quantity for level in levels) < room:
        _end(venue, account, order, holding, at, "EC_CancelForNoFullFill")
        return
    order.is_pending = False
    account.reserve(order)
    if levels:
        take(venue, account, order, levels, room, at)
        if not order.is_open:
            return
    if order.reduce_only and holding.closable(order.side) == 0:
        cancel(venue, account, order, at, cancel_type=_NOTHING_TO_REDUCE)
        venue.tell_position(account, holding, at)
    elif order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        _end(venue, account, order, holding, at, "EC_NoImmediateQtyToFill")
    else:
        venue.arrived.append((account, order))


def match_whole(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """Match a market order around the last price, what the book lacks on one level behind it: nothing is left over."""
    market = venue.markets[order.symbol]
    order.price = venue.liquidity.market_limit(order.side, market.last_price, market.instrument)
    order.is_pending = False
    account.reserve(order)
    quantity = order.leaves_quantity
    levels = venue.liquidity.levels_for_all(order.side, market.last_price, market.volume, market.instrument, quantity)
    take(venue, account, order, levels, quantity, at)


def take(
    venue: Venue, account: Account, order: WorkingOrder, levels: list[Level], room: Decimal, at: datetime,
    exec_type: ExecType = ExecType.TRADE,
) -> None:  # fmt: skip
    """Take at most `room` from the levels, best first: one match, so one time and one seq for all its executions."""
    market = venue.markets[order.symbol]
    before = account.holding(market).quantity
    seq = market.next_seq()
    for level in levels:
        quantity = min(level.quantity, room)
        if quantity <= 0:
            break
        room -= quantity
        settle(
            venue, account, order,
            price=level.price, quantity=quantity, is_maker=False, at=at, seq=seq, exec_type=exec_type,
        )  # fmt: skip
    finish_match(venue, account, order, before, at)


def fill_resting(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """The price has traded through a resting order: it fills at its own price, as much as one leg gives."""
    market = venue.markets[order.symbol]
    holding = account.holding(market)
    room = order.leaves_quantity
    if order.reduce_only:
        room = min(room, holding.closable(order.side))
        if room == 0:
            cancel(venue, account, order, at, cancel_type=_NOTHING_TO_REDUCE)
            return
    price = _limit_of(order)
    quantity = min(room, venue.liquidity.resting_quantity(market.volume, price, market.instrument))
    before = holding.quantity
    settle(venue, account, order, price=price, quantity=quantity, is_maker=True, at=at, seq=market.next_seq())
    finish_match(venue, account, order, before, at)


def trigger_stop(venue: Venue, account: Account, holding: Holding, kind: StopKind, at: datetime) -> None:
    """A stop was reached: it closes the whole position around the last price, beyond the book if need be."""
    order = holding.stops[kind]
    for status in (OrderStatus.TRIGGERED, OrderStatus.NEW):
        order.become(status, at)
        venue.tell_order(order)
    market = holding.market
    order.price = venue.liquidity.market_limit(order.side, market.last_price, market.instrument)
    levels = venue.liquidity.levels_for_all(
        order.side, market.last_price, market.volume, market.instrument, holding.size
    )
    take(venue, account, order, levels, holding.size, at)


def _within(market: Market, venue: Venue, order: WorkingOrder, limit: Decimal | None) -> list[Level]:
    levels = venue.liquidity.levels(order.side, market.last_price, market.volume, market.instrument)
    if limit is None:
        return levels
    return [level for level in levels if order.side.sign * (level.price - limit) <= 0]


def _limit_of(order: WorkingOrder) -> Decimal:
    if order.price is None:
        raise InvariantViolated(f"order {order.order_id} rests without a price")
    return order.price


def _end(
    venue: Venue, account: Account, order: WorkingOrder, holding: Holding, at: datetime, reject_reason: str
) -> None:
    cancel(venue, account, order, at, reject_reason=reject_reason)
    venue.tell_position(account, holding, at)
