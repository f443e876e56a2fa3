from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from alpha.domain.fill import AttributionMethod
from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.order import Order
from alpha.domain.reason import Reason
from alpha.ledger.assignments import Assignment
from alpha.ledger.fill_rows import RecordedFill
from websocket_listener.attribution import AccountOwners

_UNSURE = (AttributionMethod.NONE, AttributionMethod.HOLDER)


class UntoldFills:
    """Fills whose order has not told yet whose they are: nobody's, or given to the bot that held the position. An
    execution may come before the report of its order, which carries the tag."""

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._fills: OrderedDict[tuple[AccountName, OrderId], list[RecordedFill]] = OrderedDict()
        self.known: set[AccountName] = set()
        """Accounts of which the ledger was asked."""

    def of_ledger(self, account: AccountName, fills: Iterable[RecordedFill]) -> None:
        """What the ledger holds of an account when it is taken."""
        self.recorded(fills)
        self.known.add(account)

    def recorded(self, fills: Iterable[RecordedFill]) -> None:
        """Remembers those that are unsure; the oldest are forgotten beyond the bound."""
        for each in fills:
            if each.attribution.method in _UNSURE and each.fill.exec_type.moves_position:
                waiting = self._fills.setdefault((each.fill.account, each.fill.order_id), [])
                if each not in waiting:
                    waiting.append(each)
                if len(self._fills) > self._kept:
                    self._fills.popitem(last=False)

    def claimed(self, owners: AccountOwners, order: Order) -> list[Assignment]:
        """What the order says of fills that wait for it: they are its bot's, by the tag it carries."""
        waiting = self._fills.get((order.account, order.order_id))
        tagged = owners.by_tag(order.order_link_id) if waiting else None
        if not waiting or tagged is None:
            return []
        return [self._assignment(each, order, *tagged) for each in waiting if each.attribution.bot != tagged[0]]

    def settle(self, orders: Iterable[Order]) -> None:
        """What these orders claimed is on its way."""
        for order in orders:
            self._fills.pop((order.account, order.order_id), None)

    @staticmethod
    def _assignment(fill: RecordedFill, order: Order, bot: BotId, reason: Reason) -> Assignment:
        why = f"its order {order.order_id} came after it and carries the tag {order.order_link_id}"
        return Assignment(fill=fill, bot=bot, reason=reason, by="listener", why=why)
