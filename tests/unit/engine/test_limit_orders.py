from __future__ import annotations

from datetime import timedelta

from alpha.domain.order import OrderStatus, TimeInForce
from tests.unit.engine.scene import BUY, SELL, START, D, Scene


def test_a_resting_order_fills_as_maker_at_its_price_when_traded_through():
    scene = Scene()
    order = scene.limit(BUY, "2", "98")
    scene.bar("100", low="96", high="104", close="101")
    (fill,) = scene.executions()
    # fee 98 * 2 * 0.0002 = 0.0392
    assert (fill.price, fill.quantity, fill.is_maker, fill.fee) == (D(98), D(2), True, D("0.0392"))
    # close above open: first leg 100 -> 96 in the first third; 98 is half of it: 100 s / 2
    assert fill.exec_time == START + timedelta(seconds=50)
    assert scene.order(order).status is OrderStatus.FILLED


def test_a_touch_does_not_fill():
    scene = Scene()
    order = scene.limit(BUY, "2", "98")
    scene.bar("100", low="98", high="104", close="101")
    assert (scene.executions(), scene.order(order).status) == ([], OrderStatus.NEW)


def test_one_leg_gives_a_share_of_the_volume_and_the_rest_waits():
    scene = Scene(balance="10000")
    order = scene.limit(BUY, "12", "98")
    scene.bar("100", low="96", high="104", close="101")
    # 1000 * 0.005 = 5 on the leg down, 5 on the leg up from beyond
    assert [fill.quantity for fill in scene.executions()] == [D(5), D(5)]
    assert scene.order(order).status is OrderStatus.PARTIALLY_FILLED
    scene.bar("101")
    scene.bar("101", low="97")
    assert [fill.leaves_quantity for fill in scene.executions()] == [D(7), D(2), D(0)]
    assert scene.order(order).status is OrderStatus.FILLED
    seqs = [fill.seq for fill in scene.executions()]
    assert seqs == sorted(set(seqs))


def test_a_gap_fills_a_resting_order_at_its_own_price():
    scene = Scene()
    scene.limit(SELL, "1", "101.5")
    scene.bar("100")
    scene.bar("103")
    (fill,) = scene.executions()
    assert (fill.price, fill.exec_time, fill.is_maker) == (D("101.5"), START + timedelta(minutes=5), True)


def test_a_crossing_limit_takes_up_to_its_price_and_rests_with_the_rest():
    scene = Scene(balance="10000")
    order = scene.limit(BUY, "25", "100.1")
    scene.bar("100")
    assert [(fill.price, fill.quantity, fill.is_maker) for fill in scene.executions()[:2]] == [
        (D("100.0"), D(10), False),
        (D("100.1"), D(10), False),
    ]
    assert all(fill.price <= D("100.1") for fill in scene.executions())
    assert scene.order(order).filled_quantity >= D(20)


def test_post_only_that_would_take_is_accepted_and_cancelled():
    scene = Scene()
    crossing = scene.limit(BUY, "1", "100", tif=TimeInForce.POST_ONLY)
    resting = scene.limit(BUY, "1", "99.9", tif=TimeInForce.POST_ONLY)
    scene.bar("100")
    state = scene.order(crossing)
    assert (state.status, state.reject_reason) == (OrderStatus.CANCELLED, "EC_PostOnlyWillTakeLiquidity")
    assert (scene.order(resting).status, scene.executions()) == (OrderStatus.NEW, [])


def test_immediate_or_cancel_takes_what_is_there():
    scene = Scene(balance="10000")
    order = scene.limit(BUY, "15", "100", tif=TimeInForce.IOC)
    scene.bar("100")
    state = scene.order(order)
    assert (state.status, state.filled_quantity) == (OrderStatus.CANCELLED, D(10))


def test_fill_or_kill_takes_all_or_nothing():
    scene = Scene(balance="10000")
    too_much = scene.limit(BUY, "15", "100", tif=TimeInForce.FOK)
    enough = scene.limit(BUY, "15", "100.1", tif=TimeInForce.FOK)
    scene.bar("100")
    assert scene.order(too_much).reject_reason == "EC_CancelForNoFullFill"
    assert scene.order(too_much).filled_quantity == 0
    assert scene.order(enough).status is OrderStatus.FILLED


def test_cancel_of_a_partly_filled_order_keeps_what_it_filled():
    scene = Scene(balance="10000")
    order = scene.limit(BUY, "12", "98", link="l-1")
    scene.bar("100", low="97")
    cancelled = scene.engine.cancel_order(order.uid, order.symbol, order_link_id="l-1")
    assert (cancelled.status, cancelled.cancel_type) == (OrderStatus.CANCELLED, "CancelByUser")
    assert (cancelled.filled_quantity, cancelled.leaves_quantity) == (D(10), D(0))
    scene.bar("100", low="90")
    assert len(scene.executions()) == 2


def test_an_amended_order_keeps_its_id_and_is_matched_again():
    scene = Scene()
    order = scene.limit(BUY, "1", "98")
    scene.bar("100")
    amended = scene.engine.amend_order(order.uid, order.symbol, order_id=order.order_id, price=D(101))
    assert (amended.order_id, amended.price, amended.status) == (order.order_id, D(101), OrderStatus.NEW)
    scene.bar("100")
    (fill,) = scene.executions()
    assert (fill.price, fill.is_maker) == (D(100), False)


def test_on_one_path_the_near_order_fills_before_the_far_one():
    scene = Scene()
    far = scene.limit(BUY, "1", "97", link="a")
    near = scene.limit(BUY, "1", "99", link="b")
    scene.bar("100", low="96")
    assert [fill.order_id for fill in scene.executions()] == [near.order_id, far.order_id]


def test_what_a_reducing_order_cannot_fill_because_the_position_went_is_cancelled():
    scene = Scene()
    scene.market(BUY, "2")
    scene.bar("100")
    scene.market(SELL, "1", link="a")
    order = scene.limit(SELL, "2", "99.9", link="b", reduce_only=True)
    scene.bar("100")
    state = scene.order(order)
    assert (state.filled_quantity, state.status, state.cancel_type) == (
        D(1), OrderStatus.CANCELLED, "CancelByReduceOnly",
    )  # fmt: skip
    assert scene.position().size == 0


def test_a_reduce_only_order_ends_when_its_own_fill_has_closed_the_rest_of_the_position():
    # given a reduce-only order of 20 on a position that has shrunk to 8 since
    scene = Scene(balance="5000")
    scene.market(BUY, "20")
    scene.bar()
    order = scene.limit(SELL, "20", "100.5", reduce_only=True)
    scene.bar()
    scene.market(SELL, "12")
    scene.bar(volume="100000")
    # when the bar trades through it, 5 on each leg
    scene.bar("100", high="101", close="100.9")
    # then it has sold those 8 and is over
    ended = scene.order(order)
    assert (ended.filled_quantity, ended.status, ended.cancel_type) == (
        D(8), OrderStatus.CANCELLED, "CancelByReduceOnly",
    )  # fmt: skip
    # and does not close the next position
    scene.market(BUY, "1")
    scene.bar("100.4")
    scene.bar("100.4", high="102", close="101")
    assert scene.position().size == 1
