"""Orders without a link id: their ids hang on what was asked, not on which of them came first."""

from __future__ import annotations

import pytest

from alpha.domain.order import OrderType
from paper_exchange.engine import OrderRequest, TpslMode, TriggerBy
from paper_exchange.engine.ids import Ids
from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene

# what is asked beside symbol, side, type and quantity, two orders at a time
PAIRS = [
    ({}, {"price": "100.5"}),
    ({"price": "100.5"}, {"price": "100.6"}),
    ({"reduce_only": True}, {"reduce_only": True, "close_on_trigger": True}),
    ({"take_profit": "90"}, {"take_profit": "90", "tp_trigger_by": TriggerBy.MARK}),
    ({"stop_loss": "110"}, {"stop_loss": "110", "sl_trigger_by": TriggerBy.INDEX}),
    ({"take_profit": "90"}, {"take_profit": "90", "tpsl_mode": TpslMode.PARTIAL}),
    ({"trigger_price": "98", "trigger_direction": 2}, {"trigger_price": "97", "trigger_direction": 2}),
    (
        {"trigger_price": "98", "trigger_direction": 2},
        {"trigger_price": "98", "trigger_direction": 2, "trigger_by": TriggerBy.MARK},
    ),
    (
        {"slippage_tolerance": "5", "slippage_tolerance_type": "TickSize"},
        {"slippage_tolerance": "5", "slippage_tolerance_type": "Percent"},
    ),
]


def ids_by_request(requests: list[dict[str, object]]) -> dict[str, str]:
    scene = Scene(balance="10000")
    scene.market(BUY, "5")
    scene.bar()
    return {str(request): scene.place(SELL, "0.5", **request).order_id for request in requests}  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_orders_that_differ_in_anything_have_the_same_ids_in_either_order(
    one: dict[str, object], other: dict[str, object]
):
    assert ids_by_request([one, other]) == ids_by_request([other, one])


def test_two_equal_orders_have_two_ids_however_their_numbers_are_written():
    scene = Scene(balance="10000")
    first = [scene.place(BUY, quantity, "98").order_id for quantity in ("1", "1.0")]
    again = Scene(balance="10000")
    assert [again.place(BUY, quantity, "98.00").order_id for quantity in ("1.00", "1")] == first
    assert len(set(first)) == 2


def test_ids_that_are_made_in_two_steps_are_those_that_are_made_in_one():
    ids = Ids(7)
    orders = ids.under("order", "1")
    assert [orders.make(name) for name in ("a", "b")] == [ids.make("order", "1", name) for name in ("a", "b")]
    # and what comes of it is no other than it was: clients keep ids, and a restart makes them again
    assert Ids(7).make("order", "1", "a") == orders.make("a") != ids.make("order", "1a")


def test_an_order_that_has_ended_is_found_by_both_its_ids_as_it_ended():
    scene = Scene(balance="10000")
    filled = scene.place(BUY, "1", order_link_id="filled")
    resting = scene.place(BUY, "1", "90", order_link_id="resting")
    scene.bar()
    cancelled = scene.engine.cancel_order(UID, filled.symbol, order_link_id="resting")
    found = [scene.engine.order(UID, order_link_id=name) for name in ("filled", "resting")]
    assert found == [scene.engine.order(UID, filled.order_id), scene.engine.order(UID, resting.order_id)]
    assert [order.status for order in found if order is not None] == ["Filled", "Cancelled"]
    assert found[1] == cancelled
    assert scene.engine.orders(UID) == []
    assert scene.engine.orders(UID, open_only=False) == scene.engine.orders_made(UID) == found
    unknown = [{}, {"order_id": "none"}, {"order_link_id": "none"}]
    assert [scene.engine.order(UID, **ids) for ids in unknown] == [None, None, None]


def test_an_order_may_be_submitted_for_its_id_alone():
    scene = Scene(balance="10000")
    order_id = scene.engine.submit(UID, OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D(1)))
    order = scene.engine.order(UID, order_id)
    assert order is not None
    assert order.status == "New"
