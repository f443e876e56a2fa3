from __future__ import annotations

from datetime import datetime

from alpha.domain.order import OrderStatus
from paper_exchange.engine.account import Account
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import NO_ERROR, UNKNOWN, WorkingOrder


def cancel(
    venue: Venue,
    account: Account,
    order: WorkingOrder,
    at: datetime,
    *,
    cancel_type: str = UNKNOWN,
    reject_reason: str = NO_ERROR,
    status: OrderStatus = OrderStatus.CANCELLED,
) -> None:
    """End an order that is open, and tell it."""
    order.become(status, at, cancel_type=cancel_type, reject_reason=reject_reason)
    venue.release(account, order)
    venue.tell_order(account, order)
