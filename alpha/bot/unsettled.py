"""Clearing up orders whose end has not been told: asking the exchange, ever less often."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from alpha.bot.broker import Outcome, OutcomeStatus
from alpha.bot.order_in_flight import OrderInFlight
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.bot.ports import IntentJournal, OrderPort
from alpha.exchange.errors import ExchangeError

log = structlog.get_logger()

_FIRST_ASK_S = 1.0
_ASK_PAUSE_MAX_S = 30.0
_NEVER_ARRIVED_AFTER_S = 30.0
"""An order that the exchange does not know this long after it was sent never got there (lists lag by seconds)."""


class UnsettledOrders:
    """Asks for every order in flight that is not terminal. The order stream usually tells first."""

    def __init__(
        self,
        orders: OrdersInFlight,
        port: OrderPort,
        journal: IntentJournal,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders = orders
        self._port = port
        self._journal = journal
        self._clock = clock
        self._first_seen: dict[str, float] = {}
        self._ask_at: dict[str, float] = {}

    def ask_due(self) -> None:
        """Ask for those whose time has come."""
        now = self._clock()
        open_orders = [order for order in self._orders if not order.is_terminal]
        known = {order.order_link_id for order in open_orders}
        for gone in set(self._first_seen) - known:
            del self._first_seen[gone], self._ask_at[gone]
        for order in open_orders:
            link_id = order.order_link_id
            if link_id not in self._first_seen:
                self._first_seen[link_id] = now
                self._ask_at[link_id] = now + _FIRST_ASK_S
            elif now >= self._ask_at[link_id]:
                waited = now - self._first_seen[link_id]
                self._ask_at[link_id] = now + min(max(waited, _FIRST_ASK_S), _ASK_PAUSE_MAX_S)
                self._ask(order, waited)

    def ask_all(self) -> None:
        """Ask for every one now, as at start: what the exchange does not know then never arrived, since whoever sent it
        is gone for longer than its lease."""
        for order in self._orders:
            self._ask(order, _NEVER_ARRIVED_AFTER_S)

    def _ask(self, order: OrderInFlight, waited_s: float) -> None:
        try:
            found = self._port.find_order(order.symbol, order.order_link_id)
        except ExchangeError as error:
            log.warning("order_not_answered", order_link_id=order.order_link_id, error=str(error))
            return
        if found is not None:
            self._orders.reported(found)
            self._journal.settle(order.order_link_id, Outcome(status=OutcomeStatus.ACCEPTED))
        elif waited_s >= _NEVER_ARRIVED_AFTER_S:
            log.warning("order_never_arrived", order_link_id=order.order_link_id, symbol=order.symbol)
            self._orders.never_placed(order.order_link_id)
            self._journal.settle(
                order.order_link_id, Outcome(status=OutcomeStatus.REFUSED, text="the exchange does not know it")
            )
