from __future__ import annotations

from datetime import timedelta

from alpha.domain.order import OrderStatus
from paper_exchange.engine import EngineAccount, OrderState
from tests.unit.engine.scene import BUY, COIN, SELL, START, UID, D, Scene


def long_of(quantity: str = "2", *, tp: str | None = None, sl: str | None = None, balance: str = "1000") -> Scene:
    scene = Scene(balance=balance)
    scene.market(BUY, quantity, link="entry", tp=tp, sl=sl)
    scene.bar("100")
    scene.engine.take_events()
    return scene


def test_stops_sent_with_an_entry_become_orders_of_the_position():
    scene = long_of(tp="106", sl="97")
    orders = scene.stop_orders()
    stop = orders["StopLoss"]
    assert (stop.status, stop.side, stop.quantity) == (OrderStatus.UNTRIGGERED, SELL, D(2))
    assert (stop.trigger_price, stop.trigger_direction, stop.trigger_by) == (D(97), 2, "LastPrice")
    assert (stop.order_link_id, stop.parent_order_link_id, stop.create_type) == ("", "entry", "CreateByStopLoss")
    assert (stop.reduce_only, stop.close_on_trigger, stop.tpsl_mode) == (True, True, "Full")
    assert (orders["TakeProfit"].trigger_price, orders["TakeProfit"].trigger_direction) == (D(106), 1)
    assert (scene.position().take_profit, scene.position().stop_loss) == (D(106), D(97))


def test_a_refused_or_cancelled_entry_leaves_no_stops():
    scene = Scene()
    order = scene.limit(BUY, "1", "98", sl="95")
    scene.bar("100")
    scene.engine.cancel_order(UID, COIN, order.order_id)
    assert scene.engine.orders(UID) == []


def test_a_stop_loss_closes_at_its_price_and_cancels_its_sibling():
    scene = long_of(tp="106", sl="97")
    orders = scene.stop_orders()
    scene.bar("100", low="94", high="101", close="100.5")
    fill = scene.executions()[-1]
    assert (fill.price, fill.quantity, fill.closed_size, fill.order_link_id) == (D(97), D(2), D(2), "")
    assert (fill.create_type, fill.stop_order_type) == ("CreateByStopLoss", "StopLoss")
    # (97 - 100) * 2 = -6
    assert fill.exec_pnl == D(-6)
    # 100 -> 94 takes 100 s; 97 is half of it
    assert fill.exec_time == START + timedelta(minutes=5, seconds=50)
    assert scene.order(orders["StopLoss"]).status is OrderStatus.FILLED
    sibling = scene.order(orders["TakeProfit"])
    assert (sibling.status, sibling.cancel_type) == (OrderStatus.CANCELLED, "CancelByOCOTpCanceledBySlTriggered")
    assert (scene.position().size, scene.position().stop_loss, scene.engine.orders(UID)) == (D(0), None, [])
    # 1000 - 200 * 0.001 - 6 - 194 * 0.001
    assert scene.wallet().balance == D("993.606")


def test_a_triggered_stop_is_told_step_by_step():
    scene = long_of(sl="97", tp="106")
    scene.bar("100", low="94")
    orders = [event for event in scene.engine.take_events() if isinstance(event, OrderState)]
    assert [(order.stop_order_type, order.status) for order in orders] == [
        ("StopLoss", OrderStatus.TRIGGERED),
        ("StopLoss", OrderStatus.NEW),
        ("StopLoss", OrderStatus.FILLED),
        ("TakeProfit", OrderStatus.CANCELLED),
    ]


def test_a_take_profit_closes_at_its_price():
    scene = long_of(tp="106", sl="97")
    orders = scene.stop_orders()
    scene.bar("100", high="110", close="105")
    fill = scene.executions()[-1]
    assert (fill.price, fill.stop_order_type, fill.exec_pnl) == (D(106), "TakeProfit", D(12))
    assert scene.order(orders["StopLoss"]).cancel_type == "CancelByOCOSlCanceledByTpTriggered"


def test_a_bar_that_reaches_both_follows_the_documented_path():
    # a rising bar goes low first, so the long is stopped; a falling one goes high first, so it takes its profit
    rising, falling = long_of(tp="106", sl="97"), long_of(tp="106", sl="97")
    rising.bar("100", low="96", high="107", close="101")
    falling.bar("100", low="96", high="107", close="99")
    assert rising.executions()[-1].stop_order_type == "StopLoss"
    assert falling.executions()[-1].stop_order_type == "TakeProfit"


def test_a_gap_beyond_the_stop_closes_at_the_open():
    scene = long_of(sl="97")
    scene.bar("93", high="95")
    fill = scene.executions()[-1]
    assert (fill.price, fill.exec_time) == (D(93), START + timedelta(minutes=5))


def test_a_short_is_stopped_by_a_rise():
    scene = Scene()
    scene.market(SELL, "2", tp="95", sl="103")
    scene.bar("100")
    assert scene.stop_orders()["StopLoss"].trigger_direction == 1
    scene.bar("100", high="105", close="99")
    fill = scene.executions()[-1]
    # (100 - 103) * 2 = -6
    assert (fill.side, fill.price, fill.exec_pnl) == (BUY, D(103), D(-6))


def test_a_stop_fires_on_the_bar_of_its_entry():
    scene = Scene()
    scene.market(BUY, "2", sl="97")
    scene.bar("100", low="95")
    assert [fill.side for fill in scene.executions()] == [BUY, SELL]


def test_an_entry_filled_on_the_way_is_stopped_on_the_same_leg():
    scene = Scene()
    scene.limit(BUY, "2", "98", sl="96")
    scene.bar("100", low="94")
    assert [(fill.side, fill.price) for fill in scene.executions()] == [(BUY, D(98)), (SELL, D(96))]
    assert scene.executions()[0].exec_time < scene.executions()[1].exec_time


def test_a_stop_closes_everything_even_without_a_book():
    scene = long_of("25", sl="97", balance="10000")
    scene.bar("96", volume="0")
    fills = scene.executions()[3:]
    # the smallest order at 96 (5 / 96 = 0.0521 -> 0.06), the rest behind the last level: 96 * (1 - 3 * 0.001) = 95.712
    assert [(fill.price, fill.quantity) for fill in fills] == [(D(96), D("0.06")), (D("95.7"), D("24.94"))]
    assert scene.position().size == 0


def test_stops_follow_the_size_and_end_with_the_position():
    scene = long_of("2", tp="106", sl="97")
    scene.market(BUY, "1")
    scene.bar("100")
    orders = scene.stop_orders()
    assert [order.quantity for order in orders.values()] == [D(3), D(3)]
    scene.market(SELL, "3", reduce_only=True)
    scene.bar("100")
    for order in orders.values():
        state = scene.order(order)
        assert (state.status, state.cancel_type) == (OrderStatus.CANCELLED, "CancelByTpSlTsClear")


def test_a_flip_takes_the_stops_of_the_new_side():
    scene = long_of("2", sl="97")
    old = scene.stop_orders()["StopLoss"]
    scene.market(SELL, "3", sl="104")
    scene.bar("100")
    assert scene.order(old).cancel_type == "CancelByTpSlTsClear"
    stop = scene.stop_orders()["StopLoss"]
    assert (stop.side, stop.trigger_price, stop.quantity) == (BUY, D(104), D(1))


def test_trading_stop_moves_and_removes():
    scene = long_of("2", sl="97")
    stop = scene.stop_orders()["StopLoss"]
    assert scene.stops(sl="98", tp="110").stop_loss == D(98)
    assert scene.order(stop).trigger_price == D(98)
    state = scene.stops(sl="0")
    assert (state.stop_loss, state.take_profit) == (None, D(110))
    assert scene.order(stop).status is OrderStatus.CANCELLED
    scene.engine.cancel_order(UID, COIN, scene.stop_orders()["TakeProfit"].order_id)
    assert scene.position().take_profit is None


def test_cancel_all_takes_stops_unless_told_not_to():
    scene = long_of("2", sl="97")
    scene.limit(BUY, "1", "98")
    assert len(scene.engine.cancel_all(UID, include_stops=False)) == 1
    assert scene.position().stop_loss == D(97)
    assert len(scene.engine.cancel_all(UID, COIN)) == 1
    assert scene.position().stop_loss is None
    assert scene.engine.cancel_all(UID) == []


def test_a_trailing_stop_follows_at_its_distance():
    scene = long_of("2")
    scene.stops(trailing="3")
    assert (scene.position().trailing_stop, scene.position().trailing_level) == (D(3), D(97))
    scene.bar("100", high="108", close="106")
    # peak 108, level 105, not reached on the way from 108 to 106
    assert (scene.position().trailing_level, scene.position().size) == (D(105), D(2))
    order = scene.stop_orders()["TrailingStop"]
    scene.bar("106", low="104")
    fill = scene.executions()[-1]
    # (105 - 100) * 2 = 10
    assert (fill.price, fill.exec_pnl, fill.create_type) == (D(105), D(10), "CreateByTrailingStop")
    assert scene.order(order).status is OrderStatus.FILLED
    assert scene.position().trailing_stop is None


def test_a_trailing_stop_sleeps_until_its_activation():
    scene = long_of("2")
    scene.stops(trailing="3", active="105")
    scene.bar("100", high="104", low="95", close="104")
    assert (scene.position().size, scene.position().trailing_level) == (D(2), None)
    # open 104, high 106 activates (level 103), then down to 102
    scene.bar("104", high="106", low="102", close="103")
    fill = scene.executions()[-1]
    assert (fill.price, fill.stop_order_type) == (D(103), "TrailingStop")


def test_a_trailing_stop_of_a_short_mirrors():
    scene = Scene()
    scene.market(SELL, "2")
    scene.bar("100")
    scene.stops(trailing="2", active="97")
    # rising bar: 100 -> 96 activates with level 98, then up through it
    scene.bar("100", low="96", high="101", close="100")
    assert scene.executions()[-1].price == D(98)


def test_a_trailing_stop_never_moves_back():
    scene = long_of("2")
    scene.stops(trailing="5")
    scene.bar("100", high="104", close="102")
    scene.bar("102", high="103", low="100", close="101")
    assert scene.position().trailing_level == D(99)
    scene.stops(trailing="0")
    assert (scene.position().trailing_stop, scene.engine.orders(UID)) == (None, [])


def test_the_stops_of_a_position_outlive_the_liquidation_of_the_other_side():
    # given in isolated margin a long that dies at about 91, and a short under a stop
    scene = Scene(uids=())
    scene.engine.open_account(EngineAccount(uid=UID, balance=D(1000), position_mode="hedge", margin_mode="isolated"))
    scene.place(BUY, "1", position_idx=1, stop_loss="80")
    scene.place(SELL, "1", position_idx=2, stop_loss="110")
    scene.bar("100")
    # when it dies
    scene.bar("100", low="89", close="89")
    # then its own stops end with it, and those of the short still follow the short
    assert [(order.position_idx, order.stop_order_type) for order in scene.engine.orders(UID)] == [(2, "StopLoss")]
    scene.place(SELL, "1", position_idx=2)
    scene.bar("89")
    assert [order.quantity for order in scene.engine.orders(UID)] == [D(2)]


def test_the_order_of_a_trailing_stop_shows_where_it_stands_and_is_told_once_in_a_bar_that_moved_it():
    scene = long_of("2")
    scene.stops(trailing="3", active="101")
    assert scene.stop_orders()["TrailingStop"].trigger_price == D(101)
    scene.engine.take_events()
    # peaks of 104 on the first leg up and 108 on the second
    scene.bar("100", low="100", high="108", close="106")
    (told,) = [event for event in scene.engine.take_events() if isinstance(event, OrderState)]
    assert (told, told.trigger_price) == (scene.stop_orders()["TrailingStop"], D(105))
    # a bar that does not move it tells nothing, one that triggers it where it stood
    scene.bar("106", high="107", low="105.5", close="106")
    assert scene.engine.take_events() == []
    scene.bar("109", low="105")
    assert {order.trigger_price for order in scene.engine.orders(UID, open_only=False) if order.stop_order_type} == {
        D(106)
    }
