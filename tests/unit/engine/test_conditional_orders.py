from __future__ import annotations

from datetime import timedelta

import pytest

from alpha.domain.order import OrderStatus, TimeInForce
from paper_exchange.engine import OrderState, Refused, TriggerBy
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, START, UID, D, Scene

RISE, FALL = 1, 2


def told(scene: Scene) -> list[tuple[OrderStatus, str]]:
    return [(event.status, event.create_type) for event in scene.engine.take_events() if isinstance(event, OrderState)]


def test_it_waits_untriggered_and_holds_no_margin():
    scene = Scene()
    order = scene.place(BUY, "2", trigger_price="105", trigger_direction=RISE, order_link_id="breakout")
    assert (order.status, order.stop_order_type, order.create_type) == (
        OrderStatus.UNTRIGGERED, "Stop", "CreateByUser",
    )  # fmt: skip
    assert (order.trigger_price, order.trigger_direction, order.trigger_by) == (D(105), RISE, "LastPrice")
    assert scene.wallet().order_margin == 0
    scene.bar("100", high="104.9")
    assert scene.order(order).status is OrderStatus.UNTRIGGERED


def test_a_market_order_triggers_where_the_price_reaches_it_and_keeps_its_ids():
    scene = Scene()
    order = scene.place(BUY, "2", trigger_price="105", trigger_direction=RISE, order_link_id="breakout")
    scene.bar("100")
    scene.engine.take_events()
    # rising: the second leg goes 100 -> 110 from 100 s to 200 s, so 105 is reached after 150 s
    scene.bar("100", high="110", close="108")
    (fill,) = scene.executions()
    assert (fill.price, fill.order_id, fill.order_link_id) == (D(105), order.order_id, "breakout")
    assert (fill.create_type, fill.stop_order_type) == ("CreateByStopOrder", "Stop")
    assert fill.exec_time == START + timedelta(minutes=5, seconds=150)
    by_stop = "CreateByStopOrder"
    assert told(scene) == [
        (OrderStatus.TRIGGERED, by_stop),
        (OrderStatus.NEW, by_stop),
        (OrderStatus.FILLED, by_stop),
    ]


def test_a_gap_over_the_trigger_fills_at_the_open():
    scene = Scene()
    scene.place(SELL, "1", trigger_price="97", trigger_direction=FALL)
    scene.bar("95")
    assert scene.executions()[0].price == D(95)


def test_a_limit_order_that_triggers_takes_what_is_no_worse_and_rests_with_the_rest():
    scene = Scene(balance="10000")
    order = scene.place(BUY, "15", "105", trigger_price="105", trigger_direction=RISE)
    # at 105 the book offers 10 at 105, the next level is 105.1
    scene.bar("100", high="106", close="106")
    assert [(fill.price, fill.quantity, fill.is_maker) for fill in scene.executions()] == [(D(105), D(10), False)]
    assert scene.order(order).status is OrderStatus.PARTIALLY_FILLED
    scene.bar("106", low="104")
    assert [(fill.price, fill.is_maker) for fill in scene.executions()[1:]] == [(D(105), True)]


def test_a_limit_beyond_its_trigger_fills_on_the_same_leg():
    scene = Scene()
    order = scene.place(BUY, "2", "95", trigger_price="97", trigger_direction=FALL)
    # falling to 97 it becomes active, and the same leg goes on through 95
    scene.bar("100", low="93", close="101")
    (fill,) = scene.executions()
    assert (fill.price, fill.is_maker, scene.order(order).status) == (D(95), True, OrderStatus.FILLED)
    # 5 of the 7 that the first leg falls in 100 s
    assert fill.exec_time - START == timedelta(milliseconds=71_428)


def test_fill_or_kill_and_post_only_keep_their_meaning_after_the_trigger():
    scene = Scene(balance="10000")
    whole = scene.place(BUY, "15", "103", trigger_price="103", trigger_direction=RISE, time_in_force=TimeInForce.FOK)
    taking = scene.place(
        BUY, "1", "104", trigger_price="104", trigger_direction=RISE, time_in_force=TimeInForce.POST_ONLY
    )
    scene.bar("100", high="106")
    assert scene.order(whole).reject_reason == "EC_CancelForNoFullFill"
    assert scene.order(taking).reject_reason == "EC_PostOnlyWillTakeLiquidity"
    assert scene.executions() == []


def test_the_trigger_can_watch_the_mark_price():
    # given a mark 2 above the last price since the bar before
    scene = Scene()
    scene.bar("100", mark="102")
    order = scene.place(BUY, "1", trigger_price="105", trigger_direction=RISE, trigger_by=TriggerBy.MARK)
    # when the last price reaches 103, the mark is at 105
    scene.bar("100", high="104")
    assert scene.executions()[0].price == D(103)
    assert scene.order(order).trigger_by == "MarkPrice"


def test_a_mark_price_of_its_own_at_the_close_triggers_there():
    scene = Scene()
    order = scene.place(SELL, "1", trigger_price="98", trigger_direction=FALL, trigger_by=TriggerBy.MARK)
    scene.bar("100", mark="97.5")
    (fill,) = scene.executions()
    assert (fill.price, scene.order(order).status) == (D(100), OrderStatus.FILLED)
    assert fill.exec_time == START + timedelta(minutes=5, milliseconds=-1)


def test_the_trigger_can_watch_the_index_price():
    scene = Scene()
    scene.bar("100", mark="100", index="99")
    order = scene.place(SELL, "1", trigger_price="97", trigger_direction=FALL, trigger_by=TriggerBy.INDEX)
    scene.bar("100", low="98.5")
    assert scene.order(order).status is OrderStatus.UNTRIGGERED
    # the index is 1 below the last price (the close of the bar before gave none of its own: the mark)
    scene.bar("100", index="96.9")
    assert scene.order(order).status is OrderStatus.FILLED


def test_the_trigger_must_lie_ahead():
    scene = Scene()
    with pytest.raises(Refused) as rising:
        scene.place(BUY, "1", trigger_price="100", trigger_direction=RISE)
    with pytest.raises(Refused) as falling:
        scene.place(BUY, "1", trigger_price="101", trigger_direction=FALL, trigger_by=TriggerBy.MARK)
    assert (rising.value.code, rising.value.text) == (
        110092, "expect Rising, but trigger_price[1000000] <= current[1000000]??LastPrice",
    )  # fmt: skip
    assert (falling.value.code, falling.value.text) == (
        110093, "expect Falling, but trigger_price[1010000] >= current[1000000]??MarkPrice",
    )  # fmt: skip


def test_without_margin_at_the_trigger_it_is_cancelled():
    scene = Scene()
    order = scene.place(BUY, "200", trigger_price="105", trigger_direction=RISE)
    scene.bar("100", high="106")
    state = scene.order(order)
    assert (state.status, state.reject_reason, state.filled_quantity) == (OrderStatus.CANCELLED, "EC_Others", 0)


@pytest.mark.parametrize("flag", ["reduce_only", "close_on_trigger"])
def test_one_that_only_reduces_is_cut_to_the_position_at_the_trigger(flag):
    scene = Scene()
    # it may be there before the position is
    order = scene.place(SELL, "5", trigger_price="97", trigger_direction=FALL, **{flag: True})
    scene.market(BUY, "2")
    scene.bar("100", low="96")
    assert scene.position().size == 0
    assert (scene.order(order).quantity, scene.order(order).status) == (D(2), OrderStatus.FILLED)


def test_one_that_only_reduces_ends_when_there_is_nothing_to_reduce():
    scene = Scene()
    order = scene.place(SELL, "5", trigger_price="97", trigger_direction=FALL, reduce_only=True)
    scene.bar("100", low="96")
    state = scene.order(order)
    assert (state.status, state.cancel_type) == (OrderStatus.CANCELLED, "CancelByReduceOnly")
    assert scene.position().size == 0


def test_an_entry_brings_its_stops_and_they_act_on_the_rest_of_the_leg():
    scene = Scene()
    scene.place(BUY, "2", trigger_price="103", trigger_direction=RISE, take_profit="106", stop_loss="99")
    scene.bar("100", high="108", close="108")
    assert [(fill.side, fill.price) for fill in scene.executions()] == [(BUY, D(103)), (SELL, D(106))]
    assert (scene.position().size, scene.engine.orders(UID)) == (0, [])


def test_ten_wait_for_one_symbol_and_no_more():
    scene = Scene()
    for number in range(10):
        scene.place(BUY, "1", trigger_price=f"{105 + number}", trigger_direction=RISE)
    with pytest.raises(Refused) as refused:
        scene.place(BUY, "1", trigger_price="120", trigger_direction=RISE)
    assert refused.value.code == 110009
    scene.place(BUY, "1", trigger_price="120", trigger_direction=RISE, symbol=OTHER)
    # what is active has a limit of its own
    scene.limit(BUY, "1", "98")


def test_cancel_all_by_kind():
    scene = Scene()
    scene.market(BUY, "1", sl="95")
    scene.bar("100")
    active = scene.limit(BUY, "1", "98")
    waiting = scene.place(BUY, "1", trigger_price="105", trigger_direction=RISE)
    engine = scene.engine
    cancelled = engine.cancel_all(UID, COIN, order_filter="StopOrder", stop_order_type="Stop")
    assert [order.order_id for order in cancelled] == [waiting.order_id]
    assert (cancelled[0].status, cancelled[0].cancel_type) == (OrderStatus.CANCELLED, "CancelByUser")
    assert [order.order_id for order in engine.cancel_all(UID, order_filter="Order")] == [active.order_id]
    assert scene.position().stop_loss == D(95)
    assert [order.stop_order_type for order in engine.cancel_all(UID, order_filter="StopOrder")] == ["StopLoss"]
    assert engine.orders(UID) == []


def test_a_cancelled_one_never_triggers():
    scene = Scene()
    order = scene.place(BUY, "1", trigger_price="105", trigger_direction=RISE)
    scene.engine.cancel_order(UID, COIN, order.order_id)
    scene.bar("100", high="110")
    assert scene.executions() == []
