from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from alpha.domain.ids import BotId, OrderId
from alpha.domain.order import Order
from websocket_listener.attribution import AccountOwners


class OrderBoard:
    """The latest report of every order of one account; a report never replaces a later one.

    Reports come by stream and REST in any order. Terminal orders are remembered for a while, so that a late report does
    not bring one back to life; open ones are never forgotten.
    """

    def __init__(self, owners: AccountOwners, *, terminal_kept: int = 5_000) -> None:
        self._owners = owners
        self._terminal_kept = terminal_kept
        self._open: dict[OrderId, Order] = {}
        self._terminal: OrderedDict[OrderId, Order] = OrderedDict()

    def heard(self, orders: Iterable[Order]) -> list[tuple[Order, BotId | None]]:
        """Take the reports in; answers those that changed something, each with the bot it belongs to."""
        changed = []
        for order in orders:
            known = self._open.get(order.order_id) or self._terminal.get(order.order_id)
            if known is not None and (known == order or not known.superseded_by(order)):
                continue
            self._keep(order)
            changed.append((order, self.bot_of(order)))
        return changed

    def bot_of(self, order: Order) -> BotId | None:
        """By tag, else the bot that alone owns that side of the symbol."""
        tagged = self._owners.by_tag(order.order_link_id)
        return tagged[0] if tagged else self._owners.sole_owner(order.symbol, order.position_idx)

    def open_orders(self) -> list[Order]:
        return list(self._open.values())

    def open_of(self, bot: BotId) -> list[Order]:
        return [order for order in self._open.values() if self.bot_of(order) == bot]

    def latest_of(self, bot: BotId, count: int) -> list[Order]:
        """The newest reports of the bot's orders, ended ones included, oldest first."""
        known = [order for order in (*self._terminal.values(), *self._open.values()) if self.bot_of(order) == bot]
        return sorted(known, key=lambda order: order.updated_at)[-count:]

    def ended(self, order_ids: Iterable[OrderId]) -> None:
        """Orders that the exchange does not list as open any more. How they ended is known where it was told."""
        for order_id in order_ids:
            self._open.pop(order_id, None)

    def _keep(self, order: Order) -> None:
        if not order.status.is_terminal:
            self._open[order.order_id] = order
            return
        self._open.pop(order.order_id, None)
        self._terminal[order.order_id] = order
        if len(self._terminal) > self._terminal_kept:
            self._terminal.popitem(last=False)
