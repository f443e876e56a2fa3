"""What a client asks about its orders between two bars: place, amend, cancel. Nothing is matched before the next open
but what asks for it (`trade_now`)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum, unique
from operator import attrgetter
from typing import Final

import msgspec

from alpha.domain.clock import to_ms
from alpha.domain.ids import OrderId, Symbol
from paper_exchange.engine import acceptance, matching, stops
from paper_exchange.engine.account import NO_ORDER, Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.events import OrderState
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.members import MARKET
from paper_exchange.engine.outcome import Outcome
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import OrderRequest
from paper_exchange.engine.stop_kind import CONDITIONAL
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_FIELDS: Final = [field for field in msgspec.structs.fields(OrderRequest) if field.name != "order_link_id"]
_NAMES: Final = [field.name for field in _FIELDS]
_DEFAULTS: Final = [field.default for field in _FIELDS]
_values_of: Final = attrgetter(*_NAMES)


@unique
class OrderFilter(StrEnum):
    """Which orders a client means. The values are Bybit's orderFilter."""

    ALL = ""
    ACTIVE = "Order"
    WAITING = "StopOrder"

    def takes(self, order: WorkingOrder) -> bool:
        return self is OrderFilter.ALL or (self is OrderFilter.WAITING) is order.is_untriggered


def place(venue: Venue, uid: int, request: OrderRequest) -> WorkingOrder:
    """Accept an order for the next open, or one that waits for its trigger, or raise Refused."""
    account, order, holding = _accept(venue, uid, request)
    if order.trigger_price is None:
        venue.pending[order.order_id] = (account, order)
    else:
        stops.watch(venue, account, order)
    venue.tell_order(account, order)
    venue.tell_position(account, holding, venue.now)
    return order


def trade_now(venue: Venue, uid: int, request: OrderRequest) -> WorkingOrder:
    """Accept a market order and match it whole at once, or raise Refused. Its acceptance alone is not told."""
    if request.order_type is not MARKET or request.trigger_price is not None:
        raise Refused(acceptance.BAD_PARAMETER, "params error: only a market order can be matched at once")
    account, order, _ = _accept(venue, uid, request, False)
    matching.match_whole(venue, account, order, venue.now)
    return order


def cancel_one(
    venue: Venue, uid: int, symbol: Symbol, *, order_id: str | None, order_link_id: str | None
) -> OrderState:
    """Cancel an open order, also a stop of the position. The order id wins when both are given. Raises Refused."""
    account = venue.account(uid)
    market = venue.market(symbol)
    order = open_order(account, symbol, order_id, order_link_id)
    if order is None:
        raise Refused(acceptance.NO_SUCH_ORDER, "order not exists or too late to cancel")
    holding = account.holding(market, order.position_idx)
    _cancel(venue, account, holding, order)
    venue.tell_position(account, holding, venue.now)
    return order.told()


def cancel_all(
    venue: Venue, uid: int, symbol: Symbol | None, *, kind: OrderFilter, stop_order_type: str = ""
) -> list[OrderState]:
    """Cancel everything of a kind that is open, in one symbol or in all. Nothing open is no error.

    `stop_order_type` "Stop" leaves the stops of positions out. Gives what was cancelled.
    """
    account = venue.account(uid)
    symbols = sorted(account.open_orders) if symbol is None else [symbol]
    cancelled: list[OrderState] = []
    for name in symbols:
        market = venue.market(name)
        orders = [
            order
            for order in account.open_orders.get(name, {}).values()
            if kind.takes(order) and (not stop_order_type or order.stop_order_type == stop_order_type)
        ]
        for order in sorted(orders, key=lambda order: order.sort_key):
            if order.is_open:
                ended = _cancel(venue, account, account.holding(market, order.position_idx), order)
                cancelled.extend(stop.told() for stop in ended)
        for position_idx in sorted({order.position_idx for order in orders}):
            venue.tell_position(account, account.holding(market, position_idx), venue.now)
    return cancelled


def open_order(
    account: Account, symbol: Symbol, order_id: str | None, order_link_id: str | None
) -> WorkingOrder | None:
    """The order that a client means, if it is there and open."""
    return account.open_orders[symbol].get(order_id or account.by_link_id.get(order_link_id or "", NO_ORDER))


def _accept(venue: Venue, uid: int, request: OrderRequest, waits: bool = True) -> tuple[Account, WorkingOrder, Holding]:
    account = venue.account(uid)
    market = venue.markets.get(request.symbol)
    if market is None:
        raise Outcome.NO_SUCH_SYMBOL.refused()
    acceptance.check_market(market)
    position_idx, order_link_id = request.position_idx, request.order_link_id
    acceptance.check_position_idx(account, market.symbol, position_idx)
    acceptance.check_link_id(account, order_link_id)
    holding = account.holding(market, position_idx)
    order = WorkingOrder(holding, request, NO_ORDER, request.quantity, venue.now)
    is_conditional = order.trigger_price is not None
    if is_conditional:
        order.stop_order_type = CONDITIONAL
    order.quantity = acceptance.accepted_quantity(account, order)
    content = () if order_link_id else _content(uid, request)
    order.order_id = _order_id(venue, account, order_link_id, content)
    order.is_pending = not is_conditional
    holds_margin = order.holds_margin()
    if holds_margin:
        acceptance.check_means(account, order)
    if content:
        venue.unnamed[content] += 1
    account.keep(order)
    if holds_margin and waits:
        account.reserve(order)
    return account, order, holding


def _cancel(venue: Venue, account: Account, holding: Holding, order: WorkingOrder) -> list[WorkingOrder]:
    """Gives what has ended: a stop of the position takes the other one of its pair with it."""
    if order.is_position_stop and order.is_untriggered:
        return stops.remove(venue, account, holding, order, venue.now)
    cancel(venue, account, order, venue.now, cancel_type="CancelByUser")
    return [order]


def _order_id(venue: Venue, account: Account, order_link_id: str, content: tuple[str, ...]) -> OrderId:
    """From the link id; without one from what is asked, when, and how many equal requests there were before it."""
    if order_link_id:
        return OrderId(account.order_ids.make(order_link_id))
    return OrderId(venue.ids.make("unnamed-order", str(to_ms(venue.now)), *content, str(venue.unnamed[content] + 1)))


def _content(uid: int, request: OrderRequest) -> tuple[str, ...]:
    """What makes two orders without a link id equal: all that was asked, however its numbers are written.

    What is left out is what it is by default.
    """
    asked = zip(_NAMES, _values_of(request), _DEFAULTS, strict=True)
    return str(uid), *[f"{name}={_text(value)}" for name, value, default in asked if value is not default]


def _text(value: object) -> str:
    return str(value.normalize()) if isinstance(value, Decimal) else str(value)
