"""Getting an order to the exchange at most once: a time-out is unknown, never rejected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from alpha.bot.broker import Outcome, OutcomeStatus
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.bot.ports import OrderPort
from alpha.domain.order import Order
from alpha.exchange.errors import (
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
)
from alpha.exchange.new_order import NewOrder

log = structlog.get_logger()

_PAUSES_S: Final = (0.1, 0.3, 0.8)
_RATE_LIMIT_PAUSE_MAX_S: Final = 1.0
_ACCEPTED: Final = OutcomeStatus.ACCEPTED
DUPLICATE: Final = "duplicate"
"""Code of an outcome: the exchange had an order of this id before any attempt of this delivery."""


class Delivery:
    """Sends under one order link id, however often: the exchange takes an id once, so a repeat doubles nothing."""

    def __init__(self, port: OrderPort, orders: OrdersInFlight, pause: Callable[[float], object]) -> None:
        self._port = port
        self._orders = orders
        self._pause = pause

    def deliver(self, order: NewOrder) -> Outcome:
        """Answers after at most three attempts. Only an `unknown` outcome stays in flight, to be asked for later."""
        link_id = order.order_link_id
        unknown: Outcome | None = None
        outcome: Outcome | None = None
        for pause_s in _PAUSES_S:
            try:
                self._port.place_order(order)
            except ExchangeRateLimited as limited:
                outcome = _refused(limited, link_id)
                self._pause(min(limited.retry_after_s, _RATE_LIMIT_PAUSE_MAX_S))
            except ExchangeRefused as refused:
                if refused.is_duplicate_order:
                    log.info("order_already_there", order_link_id=link_id)
                    self._orders.accepted(link_id)
                    self._look_up(order)
                    code = DUPLICATE if unknown is None else "found"
                    return Outcome(status=OutcomeStatus.ACCEPTED, code=code, order_link_id=link_id)
                outcome = _refused(refused, link_id)
                break
            except ExchangeUnreachable as unreachable:
                outcome = _not_placed(OutcomeStatus.NOT_SENT, "unreachable", unreachable, link_id)
                self._pause(pause_s)
            except ExchangeUnknown as unanswered:
                log.warning("order_outcome_unknown", order_link_id=link_id, error=str(unanswered))
                unknown = _not_placed(OutcomeStatus.UNKNOWN, "unknown", unanswered, link_id)
                self._pause(pause_s)
                if self._look_up(order) is not None:
                    return Outcome(status=OutcomeStatus.ACCEPTED, code="found", order_link_id=link_id)
            else:
                self._orders.accepted(link_id)
                return Outcome(_ACCEPTED, "", "", link_id)
        if unknown is not None:
            # Whatever a later attempt met, the first one may still have arrived.
            return unknown
        self._orders.never_placed(link_id)
        return outcome or Outcome(status=OutcomeStatus.NOT_SENT, order_link_id=link_id)

    def _look_up(self, order: NewOrder) -> Order | None:
        try:
            found = self._port.find_order(order.symbol, order.order_link_id)
        except ExchangeError as error:
            log.warning("order_not_answered", order_link_id=order.order_link_id, error=str(error))
            return None
        if found is not None:
            self._orders.reported(found)
        return found


def _refused(error: ExchangeRefused, link_id: str) -> Outcome:
    return Outcome(status=OutcomeStatus.REFUSED, code=str(error.code), text=error.text, order_link_id=link_id)


def _not_placed(status: OutcomeStatus, code: str, error: ExchangeError, link_id: str) -> Outcome:
    return Outcome(status=status, code=code, text=str(error), order_link_id=link_id)
