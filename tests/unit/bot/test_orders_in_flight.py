"""No entry while an own order is not terminal or its fills have not all arrived, in whatever order that is told."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.order_in_flight import OrderInFlight
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.domain.order import OrderStatus, OrderType
from alpha.domain.side import Side
from tests.unit.bot.parts import BTC, ETH, START, a_fill, an_order


def in_flight(*, opens_risk: bool = True, quantity: str = "1") -> OrdersInFlight:
    orders = OrdersInFlight()
    orders.sent(
        OrderInFlight(
            order_link_id="a",
            symbol=BTC,
            quantity=Decimal(quantity),
            price=Decimal(100),
            opens_risk=opens_risk,
            order_type=OrderType.MARKET,
            sent_at=START,
        )
    )
    return orders


def problem(orders: OrdersInFlight) -> str | None:
    found = orders.problem(BTC)
    return None if found is None else found.code


def test_an_order_blocks_its_symbol_from_before_it_is_sent():
    orders = in_flight()
    assert problem(orders) == "order_open"
    assert orders.problem(ETH) is None


def test_a_filled_order_blocks_until_its_fills_are_here():
    orders = in_flight()
    orders.reported(an_order("a", OrderStatus.FILLED, filled="1"))
    assert problem(orders) == "fills_missing"
    orders.filled(a_fill(Side.SELL, "0.4", seq=1, link_id="a", leaves="0.6").fill)
    assert problem(orders) == "fills_missing"
    orders.filled(a_fill(Side.SELL, "0.6", seq=2, link_id="a").fill)
    assert problem(orders) is None


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_reports_and_fills_settle_an_order_in_any_interleaving(order: tuple[int, ...]):
    # given a market order of 1 of which 0.7 filled before the rest was cancelled
    orders = in_flight()
    events = [
        lambda: orders.reported(an_order("a", OrderStatus.PARTIALLY_FILLED, filled="0.3")),
        lambda: orders.filled(a_fill(Side.SELL, "0.3", seq=1, link_id="a", leaves="0.7").fill),
        lambda: orders.filled(a_fill(Side.SELL, "0.4", seq=2, link_id="a", leaves="0.3").fill),
        lambda: orders.reported(an_order("a", OrderStatus.CANCELLED, filled="0.7")),
    ]
    for n, event in enumerate(order, start=1):
        events[event]()
        all_told = {1, 2, 3} <= set(order[:n])
        assert (problem(orders) is None) == all_told


def test_the_last_fill_alone_settles_a_filled_order():
    orders = in_flight()
    orders.filled(a_fill(Side.SELL, "1", link_id="a").fill)
    assert problem(orders) is None


def test_an_exit_that_was_cut_to_the_position_settles_with_its_last_fill():
    orders = in_flight(opens_risk=False, quantity="5")
    orders.filled(a_fill(Side.BUY, "2", link_id="a").fill)
    assert problem(orders) is None


def test_an_order_that_was_never_placed_blocks_nothing():
    orders = in_flight()
    orders.never_placed("a")
    assert problem(orders) is None


def test_reports_of_other_orders_change_nothing():
    orders = in_flight()
    orders.reported(an_order("somebody-else", OrderStatus.FILLED, filled="1"))
    orders.filled(a_fill(Side.SELL, "1", link_id="").fill)
    assert problem(orders) == "order_open"


def test_open_entries_count_towards_the_exposure_and_exits_do_not():
    # 1 at 100, of which 0.4 has been heard: 0.6 x 100 may still come
    orders = in_flight()
    orders.filled(a_fill(Side.SELL, "0.4", link_id="a", leaves="0.6").fill)
    assert orders.open_entry_notional() == Decimal("60.0")
    assert in_flight(opens_risk=False).open_entry_notional() == 0


def test_orders_survive_a_restart():
    orders = in_flight()
    orders.filled(a_fill(Side.SELL, "0.4", link_id="a", leaves="0.6").fill)
    saved = Checkpoint(orders=list(orders)).model_dump_json()
    again = OrdersInFlight(Checkpoint.model_validate_json(saved).orders)
    again.filled(a_fill(Side.SELL, "0.6", seq=2, link_id="a").fill)
    assert again.problem(BTC) is None
