"""How an order meets the book."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.domain.errors import InvariantViolated
from alpha.domain.fill import ExecType
from alpha.domain.order import OrderStatus
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.liquidity import Depth, Level, Offers
from paper_exchange.engine.market import Market
from paper_exchange.engine.members import CANCELLED, FOK, IOC, MARKET, POST_ONLY, REJECTED, TRADE
from paper_exchange.engine.settlement import finish_match, settle
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import NO_ERROR, UNKNOWN, WorkingOrder

_NOTHING_TO_REDUCE: Final = "CancelByReduceOnly"
_PERCENT: Final = Decimal("0.01")


def match_arrival(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """Match an order that arrived since the last bar against the book around the open.

    What may rest waits among `venue.arrived`: the gap to the open, which it was not there for, must not fill it.

    Too little margin at this moment ends it as Rejected, or Cancelled when an amended order has filled before
    (rejectReason EC_Others; UNCONFIRMED, Bybit decides on arrival).
    """
    short_of_margin = CANCELLED if order.filled_quantity else REJECTED
    if match(venue, account, order, at, short_of_margin):
        venue.arrived.append((account, order))


def match(venue: Venue, account: Account, order: WorkingOrder, at: datetime, short_of_margin: OrderStatus) -> bool:
    """Match an active order against the book around the last price. True when the rest of it is to rest.

    `short_of_margin` is how an order ends that the account cannot carry. A fill-or-kill order that cannot fill whole
    ends with EC_CancelForNoFullFill (UNCONFIRMED).
    """
    holding = order.holding
    market = holding.market
    room = order.unfilled()
    if order.closes:
        room = min(room, holding.closable(order.side))
        if not room:
            _end(venue, account, order, holding, at, cancel_type=_NOTHING_TO_REDUCE)
            return False
    elif not holding.has_room(order) or not account.can_carry(order):
        _end(venue, account, order, holding, at, status=short_of_margin, reject_reason="EC_Others")
        return False
    offers = depth_of(venue, market).offers(order.side)
    if order.order_type is MARKET:
        limit = order.price = _market_limit(order, offers, market)
    else:
        limit = _limit_of(order)
    levels = offers.within(limit, room)
    time_in_force = order.time_in_force
    if time_in_force is POST_ONLY:
        if levels:
            _end(venue, account, order, holding, at, reject_reason="EC_PostOnlyWillTakeLiquidity")
            return False
    elif time_in_force is FOK and sum(level.quantity for level in levels) < room:
        _end(venue, account, order, holding, at, reject_reason="EC_CancelForNoFullFill")
        return False
    order.is_pending = False
    if levels:
        take(venue, account, order, levels, room, at)
        if not order.is_open:
            return False
    if _has_nothing_left_to_close(order, holding):
        _end(venue, account, order, holding, at, cancel_type=_NOTHING_TO_REDUCE)
        return False
    if time_in_force in (IOC, FOK):
        _end(venue, account, order, holding, at, reject_reason="EC_NoImmediateQtyToFill")
        return False
    account.reserve(order)
    return True


def match_whole(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """Match a market order around the last price, what the book lacks on one level behind it: nothing is left over."""
    offers = depth_of(venue, order.holding.market).offers(order.side)
    order.price = offers.market_limit
    order.is_pending = False
    quantity = order.unfilled()
    take(venue, account, order, offers.whole(quantity), quantity, at)


def take(
    venue: Venue, account: Account, order: WorkingOrder, levels: list[Level], room: Decimal, at: datetime,
    exec_type: ExecType = TRADE,
) -> None:  # fmt: skip
    """Take at most `room` from the levels, best first: one match, so one time and one seq for all its executions."""
    holding = order.holding
    before = holding.quantity
    seq = holding.market.next_seq()
    for price, offered in levels:
        quantity = offered if offered < room else room
        settle(venue, account, order, price, quantity, at, seq, False, exec_type)
        if quantity is room:
            break
        room -= quantity
    finish_match(venue, account, order, before, at)


def fill_resting(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """The price has traded through a resting order: it fills at its own price, as much as one leg gives."""
    holding = order.holding
    market = holding.market
    if _has_nothing_left_to_close(order, holding):
        _end(venue, account, order, holding, at, cancel_type=_NOTHING_TO_REDUCE)
        return
    room = order.leaves_quantity
    if order.closes:
        room = min(room, holding.closable(order.side))
    price = _limit_of(order)
    quantity = min(room, depth_of(venue, market).resting_quantity(price))
    before = holding.quantity
    settle(venue, account, order, price, quantity, at, market.next_seq(), True)
    finish_match(venue, account, order, before, at)
    if _has_nothing_left_to_close(order, holding):
        _end(venue, account, order, holding, at, cancel_type=_NOTHING_TO_REDUCE)


def depth_of(venue: Venue, market: Market) -> Depth:
    """The book of the market as it stands now, made anew only when the price or the volume has moved."""
    depth, price, volume = market.depth, market.last_price, market.volume
    if depth is not None:
        # nearly always they are the very same, and comparing numbers costs more
        if depth.price is price and depth.volume is volume:
            return depth
        if depth.price == price and depth.volume == volume:
            return depth
    depth = market.depth = venue.liquidity.depth(price, volume, market.instrument)
    return depth


def _market_limit(order: WorkingOrder, offers: Offers, market: Market) -> Decimal:
    """The worst price a market order may get: the bound of every market order, or its own slippage tolerance.

    The tolerance counts from the best price of the book: so many ticks, or so many percent of it.
    """
    bound = offers.market_limit
    tolerance = order.request.slippage_tolerance
    if tolerance is None:
        return bound
    best = offers.best
    instrument, sign = market.instrument, order.side.sign
    if order.request.slippage_tolerance_type == "TickSize":
        own = best.price + sign * tolerance * instrument.tick_size
    else:
        own = instrument.round_limit_price(best.price * (1 + sign * tolerance * _PERCENT), order.side)
    return min(bound, own) if sign > 0 else max(bound, own)


def _has_nothing_left_to_close(order: WorkingOrder, holding: Holding) -> bool:
    """Whether a closing order is still open on a position that is gone: it would close the next one."""
    return order.is_open and order.closes and holding.closable(order.side) == 0


def _limit_of(order: WorkingOrder) -> Decimal:
    if order.price is None:
        raise InvariantViolated(f"order {order.order_id} is matched without a price")
    return order.price


def _end(
    venue: Venue, account: Account, order: WorkingOrder, holding: Holding, at: datetime, *,
    status: OrderStatus = CANCELLED, reject_reason: str = NO_ERROR, cancel_type: str = UNKNOWN,
) -> None:  # fmt: skip
    cancel(venue, account, order, at, status=status, reject_reason=reject_reason, cancel_type=cancel_type)
    venue.tell_position(account, holding, at)
