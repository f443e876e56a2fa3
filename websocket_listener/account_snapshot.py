"""What the exchange says of an account now, asked over REST: positions, open orders, wallet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alpha.domain.ids import OrderId
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.exchange.rest import ExchangeClient
from websocket_listener.attribution import AccountOwners

_HISTORY_WINDOW = timedelta(days=7)


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
    ended = frozenset(order.order_id for order in known_open) - {order.order_id for order in orders}
    if ended:
        history = client.order_history(at - _HISTORY_WINDOW, client.market_time())
        orders += [order for order in history if order.order_id in ended]
    return AccountSnapshot(at=at, positions=positions, orders=tuple(orders), ended=ended, wallet=client.wallet())
