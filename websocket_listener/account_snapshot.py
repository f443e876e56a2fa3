"""What the exchange says of an account now, asked over REST: positions, open orders, wallet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alpha.domain.ids import OrderId
from alpha.domain.order import Order, OrderStatus
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.exchange.rest import ExchangeClient
from websocket_listener.attribution import AccountOwners

_HISTORY_WINDOW = timedelta(days=7)
_ASKED_ONE_BY_ONE = 100
# https://bybit-exchange.github.io/docs/v5/order/order-list: what ended without a fill is kept for a day, and on demo
# trading everything for 7.
_FORGOTTEN_AFTER = timedelta(days=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """Positions with their flat rows for every symbol of a bot; orders that are open, or known to have ended
    (`ended`, as far as the exchange still tells how); the wallet; and the market time it was asked at."""

    at: datetime
    positions: tuple[ExchangePosition, ...]
    orders: tuple[Order, ...]
    ended: frozenset[OrderId]
    wallet: WalletBalance


def ask_positions(client: ExchangeClient, owners: AccountOwners) -> tuple[ExchangePosition, ...]:
    """Every open position, and the rows of the bots' symbols also when flat. Raises ExchangeError."""
    found = {(each.symbol, each.position_idx): each for each in client.positions()}
    for symbol in sorted({symbol for _, symbol, _ in owners.rows}):
        found.update({(each.symbol, each.position_idx): each for each in client.positions_of(symbol)})
    return tuple(found.values())


def ask_everything(client: ExchangeClient, owners: AccountOwners, known_open: Iterable[Order]) -> AccountSnapshot:
    """Raises ExchangeError. `known_open` are the orders that were open as far as we knew before asking."""
    at = client.market_time()
    positions = ask_positions(client, owners)
    orders = client.open_orders()
    listed = {order.order_id for order in orders}
    gone = {order.order_id: order for order in known_open if order.order_id not in listed}
    if gone:
        orders += _how_they_ended(client, gone, at)
    return AccountSnapshot(
        at=at, positions=positions, orders=tuple(orders), ended=frozenset(gone), wallet=client.wallet()
    )


def _how_they_ended(client: ExchangeClient, gone: dict[OrderId, Order], at: datetime) -> list[Order]:
    """The last state of orders that are open no more. The history lists by the time of creation, at most 7 days of it:
    older ones are asked for one by one, as many as a refresh can bear. One that the exchange has forgotten ended
    without a fill, and how is unknown: that is said, not guessed."""
    found = {
        order.order_id: order
        for order in client.order_history(at - _HISTORY_WINDOW, client.market_time())
        if order.order_id in gone
    }
    missing = sorted((order for order_id, order in gone.items() if order_id not in found), key=_created)
    for order in missing[:_ASKED_ONE_BY_ONE]:
        told = client.order_by_id(order.symbol, order.order_id)
        if told is not None:
            found[order.order_id] = told
        elif order.updated_at < at - _FORGOTTEN_AFTER:
            # Lists lag by seconds, so of a younger one nothing can be concluded yet.
            found[order.order_id] = replace(order, status=OrderStatus.UNKNOWN, updated_at=at)
    return list(found.values())


def _created(order: Order) -> datetime:
    return order.created_at
