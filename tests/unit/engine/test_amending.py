from __future__ import annotations

import pytest

from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from paper_exchange.engine import OrderRequest, OrderState, Refused, TpslMode, TriggerBy
from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene

RISE = 1


def refused(scene: Scene, order: OrderState, **change: object) -> int:
    before = scene.order(order)
    with pytest.raises(Refused) as caught:
        scene.amend(order, **change)
    assert scene.order(order) == before
    return caught.value.code


def resting(price: str = "98", quantity: str = "2", **fields: object) -> tuple[Scene, OrderState]:
    scene = Scene(balance="10000")
    order = scene.place(BUY, quantity, price, **fields)
    scene.bar("100")
    scene.engine.take_events()
    return scene, order


def test_a_smaller_quantity_keeps_the_place_so_the_gap_fills_it():
    scene, order = resting()
    amended = scene.amend(order, quantity="1")
    assert (amended.order_id, amended.quantity, amended.status) == (order.order_id, D(1), OrderStatus.NEW)
    scene.bar("97")
    (fill,) = scene.executions()
    assert (fill.price, fill.is_maker, fill.quantity) == (D(98), True, D(1))


@pytest.mark.parametrize("change", [{"quantity": "3"}, {"price": "98.5"}, {"quantity": "1", "price": "98.5"}])
def test_a_larger_quantity_or_another_price_loses_it_so_it_arrives_anew(change):
    scene, order = resting()
    scene.amend(order, **change)
    scene.bar("97")
    fill = scene.executions()[0]
    # it meets the book of the open like an order that has just come
    assert (fill.price, fill.is_maker) == (D(97), False)


def test_a_post_only_order_that_becomes_smaller_is_not_asked_again():
    scene, order = resting(time_in_force=TimeInForce.POST_ONLY)
    scene.amend(order, quantity="1")
    scene.bar("97")
    assert scene.order(order).status is OrderStatus.FILLED
    other, again = resting(time_in_force=TimeInForce.POST_ONLY)
    other.amend(again, price="98.5")
    other.bar("97")
    assert other.order(again).reject_reason == "EC_PostOnlyWillTakeLiquidity"


def test_a_smaller_order_gives_its_margin_back():
    scene, order = resting()
    before = scene.wallet().order_margin
    scene.amend(order, quantity="1")
    assert scene.wallet().order_margin * 2 == before


def test_the_trigger_of_a_waiting_order_moves():
    scene = Scene()
    order = scene.place(BUY, "1", trigger_price="105", trigger_direction=RISE)
    scene.amend(order, trigger_price="103", quantity="2")
    scene.bar("100", high="104")
    assert (scene.executions()[0].price, scene.executions()[0].quantity) == (D(103), D(2))


def test_the_trigger_must_stay_ahead_and_only_waiting_orders_have_one():
    scene = Scene()
    order = scene.place(BUY, "1", "106", trigger_price="105", trigger_direction=RISE)
    assert refused(scene, order, trigger_price="99") == 110092
    assert refused(scene, order, trigger_price="105.05") == 10001
    assert refused(scene, order, price="120") == 110003
    assert scene.amend(order, trigger_by=TriggerBy.MARK).trigger_by == "MarkPrice"
    plain = scene.limit(BUY, "1", "98")
    assert refused(scene, plain, trigger_price="105") == 10001


def test_the_stops_an_order_will_bring_change_until_it_fills():
    scene, order = resting(take_profit="105", stop_loss="95")
    amended = scene.amend(order, take_profit="106", stop_loss="0", tp_trigger_by=TriggerBy.MARK)
    assert (amended.take_profit, amended.stop_loss, amended.tp_trigger_by) == (D(106), None, "MarkPrice")
    # stops alone cost no place
    scene.bar("97.5")
    assert scene.executions()[0].is_maker
    assert (scene.position().take_profit, scene.position().stop_loss) == (D(106), None)


def test_stops_added_to_an_order_that_had_none_are_put_on():
    scene, order = resting()
    scene.amend(order, stop_loss="95")
    scene.bar("100", low="97")
    assert scene.position().stop_loss == D(95)


def test_the_stops_of_a_partly_filled_order_stay():
    scene, order = resting(quantity="12", take_profit="105")
    scene.bar("100", low="97")
    assert scene.order(order).status is OrderStatus.PARTIALLY_FILLED
    assert refused(scene, order, take_profit="106") == 110059
    # what has been put on stays on, and is not put on again
    scene.stops(tp="0")
    scene.amend(order, quantity="11")
    scene.bar("100", low="97")
    assert scene.position().take_profit is None


def test_wrong_stops_are_refused():
    scene, order = resting(take_profit="105")
    assert refused(scene, order, take_profit="97") == 10001
    assert refused(scene, order, tpsl_mode=TpslMode.FULL) == 10001
    reducing = Scene()
    reducing.market(BUY, "2")
    reducing.bar("100")
    close = reducing.limit(SELL, "1", "104", reduce_only=True)
    assert refused(reducing, close, stop_loss="110") == 10001


def test_the_price_of_a_stop_of_the_position_moves_by_its_order_id():
    scene = Scene()
    scene.market(BUY, "2", tp="106", sl="97")
    scene.bar("100")
    stop = scene.stop_orders()["StopLoss"]
    scene.amend(stop, trigger_price="98")
    assert scene.position().stop_loss == D(98)
    assert refused(scene, stop, trigger_price="101") == 10001
    # one that covers the whole position has no size of its own
    assert refused(scene, stop, quantity="1") == 110060
    scene.bar("100", low="97.5")
    assert scene.executions()[-1].price == D(98)


def test_a_stop_of_a_part_changes_its_size_and_limit_price():
    scene = Scene()
    scene.market(BUY, "3")
    scene.bar("100")
    scene.trading_stop(
        tpsl_mode=TpslMode.PARTIAL, take_profit="104", tp_order_type=OrderType.LIMIT, tp_limit_price="105", tp_size="2"
    )
    stop = scene.stop_orders()["PartialTakeProfit"]
    assert refused(scene, stop, quantity="4") == 110058
    assert refused(scene, stop, price="105.05") == 10001
    amended = scene.amend(stop, quantity="1", price="104.5", trigger_price="103")
    assert (amended.quantity, amended.price, amended.trigger_price) == (D(1), D("104.5"), D(103))


def test_a_trailing_stop_is_not_changed_by_its_order_id():
    scene = Scene()
    scene.market(BUY, "2")
    scene.bar("100")
    scene.stops(trailing="3", active="105")
    assert refused(scene, scene.stop_orders()["TrailingStop"], trigger_price="106") == 10001


def test_of_a_change_that_the_margin_does_not_carry_nothing_happens():
    scene = Scene()
    order = scene.limit(BUY, "2", "98")
    scene.bar("100")
    margin = scene.wallet().order_margin
    assert refused(scene, order, quantity="150") == 110007
    assert scene.wallet().order_margin == margin
    # and it has kept its place
    scene.bar("97")
    assert scene.executions()[0].is_maker


def test_an_amended_order_that_has_gone_is_too_late():
    scene, order = resting()
    scene.engine.cancel_order(UID, COIN, order.order_id)
    assert refused(scene, order, price="97") == 110001


def test_a_closing_order_is_cut_to_the_position_when_it_grows():
    scene = Scene(balance="10000")
    scene.market(BUY, "4")
    scene.bar()
    order = scene.limit(SELL, "1", "104", reduce_only=True)
    scene.bar()
    assert scene.amend(order, quantity="100000").quantity == D(4)
    # nothing is left to change, and nothing to close
    assert refused(scene, order, quantity="9") == 10001
    arrived = scene.limit(SELL, "1", "105", reduce_only=True)
    everything = OrderRequest(symbol=COIN, side=SELL, order_type=OrderType.MARKET, quantity=D(4), reduce_only=True)
    scene.engine.trade_now(UID, everything)
    assert refused(scene, arrived, quantity="3") == 110017


def test_a_closing_order_that_waits_for_its_trigger_has_the_largest_quantity_of_any():
    scene = Scene(balance="10000")
    order = scene.place(SELL, "1", trigger_price="97", trigger_direction=2, reduce_only=True)
    assert refused(scene, order, quantity="501") == 10001
    assert scene.amend(order, quantity="500").quantity == D(500)
