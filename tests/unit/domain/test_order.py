from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import OrderId
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.side import Side
from tests.unit.domain.fills import BTCUSDT, MAIN, START

NEW = Order(
    account=MAIN,
    category="linear",
    symbol=BTCUSDT,
    order_id=OrderId("order-1"),
    order_link_id="",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force="GTC",
    status=OrderStatus.NEW,
    price=Decimal(100),
    quantity=Decimal(3),
    filled_quantity=Decimal(0),
    average_price=None,
    reduce_only=False,
    position_idx=0,
    create_type="CreateByUser",
    stop_order_type="",
    trigger_price=None,
    take_profit=None,
    stop_loss=None,
    reject_reason="EC_NoError",
    cancel_type="UNKNOWN",
    created_at=START,
    updated_at=START,
)


def report(status: OrderStatus, *, filled: str = "0", after_s: int = 1) -> Order:
    return replace(NEW, status=status, filled_quantity=Decimal(filled), updated_at=START + timedelta(seconds=after_s))


@pytest.mark.parametrize(
    ("known", "reported", "replaces"),
    [
        (NEW, report(OrderStatus.PARTIALLY_FILLED, filled="1"), True),
        (NEW, report(OrderStatus.FILLED, filled="3"), True),
        # a cancel after a partial fill keeps what was filled, and ends the order
        (report(OrderStatus.PARTIALLY_FILLED, filled="1"), report(OrderStatus.CANCELLED, filled="1"), True),
        # REST answers with an older state than the stream has already told
        (report(OrderStatus.PARTIALLY_FILLED, filled="2"), report(OrderStatus.PARTIALLY_FILLED, filled="1"), False),
        (report(OrderStatus.PARTIALLY_FILLED, filled="1"), NEW, False),
        (report(OrderStatus.FILLED, filled="3"), NEW, False),
        # the second frame of a cancel that raced a fill (documented by Bybit) changes nothing
        (report(OrderStatus.FILLED, filled="3"), report(OrderStatus.FILLED, filled="3", after_s=2), False),
        (report(OrderStatus.CANCELLED), report(OrderStatus.FILLED, filled="3", after_s=2), False),
        # an amend repeats the state with a later time; an older repetition is not news
        (NEW, report(OrderStatus.NEW), True),
        (report(OrderStatus.NEW, after_s=5), report(OrderStatus.NEW, after_s=1), False),
    ],
)
def test_the_latest_state_is_kept_and_never_goes_backwards(known: Order, reported: Order, replaces: bool) -> None:
    assert known.superseded_by(reported) is replaces


def test_reports_of_two_orders_are_not_compared() -> None:
    with pytest.raises(InvalidValue, match="is not order"):
        NEW.superseded_by(replace(NEW, order_id=OrderId("order-2")))
