"""What happens when the price that an order watches reaches its trigger."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.order import OrderStatus, OrderType
from paper_exchange.engine import matching, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.requests import TriggerBy
from paper_exchange.engine.stop_kind import CONDITIONAL, StopKind
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder


def trigger_level(order: WorkingOrder, holding: Holding) -> Decimal | None:
    """The last price at which the order is triggered now, None for a trailing stop that is not active.

    Mark and index price move with the last price inside a bar, at the basis of the bar before.
    """
    if order.stop_order_type == StopKind.TRAILING_STOP:
        return None if holding.trailing is None else holding.trailing.level
    price = order.trigger_price
    if price is None or order.trigger_by is TriggerBy.LAST:
        return price
    market = holding.market
    return price - (market.basis if order.trigger_by is TriggerBy.MARK else market.index_basis)


def triggers_rising(order: WorkingOrder) -> bool:
    return order.request.trigger_direction == 1


def trigger(venue: Venue, account: Account, order: WorkingOrder, at: datetime) -> None:
    """Make the order active, told step by step, and match it around the last price."""
    market = venue.markets[order.symbol]
    holding = account.holding(market, order.position_idx)
    del market.triggers[order.order_id]
    if order.stop_order_type == CONDITIONAL:
        order.create_type = "CreateByStopOrder"
    for status in (OrderStatus.TRIGGERED, OrderStatus.NEW):
        order.become(status, at)
        venue.tell_order(account, order)
    if order.stop_order_type == CONDITIONAL:
        _match_conditional(venue, account, holding, order, at)
        return
    other = order.sibling
    stops.forget(holding, order)
    if order.order_type is OrderType.LIMIT:
        _match_and_rest(venue, account, market, order, at)
    else:
        order.quantity = min(order.quantity, holding.size)
        matching.match_whole(venue, account, order, at)
    if other is not None and other.is_open:
        stops.cancel_sibling(venue, account, holding, order, other, at)


def _match_conditional(venue: Venue, account: Account, holding: Holding, order: WorkingOrder, at: datetime) -> None:
    """A client's own order. One that only reduces is cut to the position, or ends when there is none to reduce.

    It held no margin while it waited; an account that cannot carry it now has it cancelled.
    """
    if order.closes:
        closable = holding.closable(order.side)
        if closable == 0:
            cancel(venue, account, order, at, cancel_type="CancelByReduceOnly")
            venue.tell_position(account, holding, at)
            return
        order.quantity = min(order.quantity, closable)
    _match_and_rest(venue, account, holding.market, order, at)


def _match_and_rest(venue: Venue, account: Account, market: Market, order: WorkingOrder, at: datetime) -> None:
    if matching.match(venue, account, order, at, OrderStatus.CANCELLED):
        market.resting[order.order_id] = (account, order)
        venue.began_to_wait.append((account, order))
        venue.tell_position(account, account.holding(market, order.position_idx), at)
