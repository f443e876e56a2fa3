from __future__ import annotations

import pytest

from alpha.domain.order import OrderStatus, OrderType
from paper_exchange.engine import OrderState, Refused, TpslMode, TriggerBy
from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene

PARTIAL = TpslMode.PARTIAL


def long_of(quantity: str = "3", balance: str = "1000") -> Scene:
    scene = Scene(balance=balance)
    scene.market(BUY, quantity, link="entry")
    scene.bar("100")
    scene.engine.take_events()
    return scene


def by_kind(scene: Scene) -> list[tuple[str, OrderStatus]]:
    orders = scene.engine.orders(UID, open_only=False)
    return [(order.stop_order_type, order.status) for order in orders if order.stop_order_type]


def test_each_call_adds_a_pair_for_its_size():
    scene = long_of()
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", stop_loss="96", tp_size="1", sl_size="1")
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="107", tp_size="2")
    orders = scene.engine.orders(UID)
    assert sorted((order.stop_order_type, order.trigger_price, order.quantity) for order in orders) == [
        ("PartialStopLoss", D(96), D(1)),
        ("PartialTakeProfit", D(105), D(1)),
        ("PartialTakeProfit", D(107), D(2)),
    ]
    assert {(order.tpsl_mode, order.reduce_only, order.order_link_id) for order in orders} == {("Partial", True, "")}
    # the position shows the pair that covers all of it, and there is none
    assert (scene.position().take_profit, scene.position().stop_loss) == (None, None)


def test_the_one_that_triggers_closes_its_part_and_ends_the_other_of_its_pair():
    scene = long_of()
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", stop_loss="96", tp_size="1", sl_size="1")
    scene.trading_stop(tpsl_mode=PARTIAL, stop_loss="95", sl_size="2")
    scene.bar("100", high="106", close="106")
    fill = scene.executions()[-1]
    assert (fill.price, fill.quantity, fill.create_type) == (D(105), D(1), "CreateByPartialTakeProfit")
    assert (scene.position().size, by_kind(scene)) == (
        D(2),
        [
            ("PartialTakeProfit", OrderStatus.FILLED),
            ("PartialStopLoss", OrderStatus.CANCELLED),
            ("PartialStopLoss", OrderStatus.UNTRIGGERED),
        ],
    )
    sibling = next(order for order in scene.engine.orders(UID, open_only=False) if order.trigger_price == D(96))
    assert sibling.cancel_type == "CancelByOCOSlCanceledByTpTriggered"


def test_a_limit_stop_rests_once_triggered():
    scene = long_of()
    scene.trading_stop(
        tpsl_mode=PARTIAL, take_profit="104", tp_order_type=OrderType.LIMIT, tp_limit_price="105", tp_size="2"
    )
    scene.bar("100", high="104.5", close="104.5")
    (order,) = scene.engine.orders(UID)
    assert (order.status, order.order_type, order.price) == (OrderStatus.NEW, OrderType.LIMIT, D(105))
    scene.bar("104.5", high="106", close="106")
    fill = scene.executions()[-1]
    assert (fill.price, fill.quantity, fill.is_maker, fill.closed_size) == (D(105), D(2), True, D(2))
    assert scene.position().size == D(1)


def test_a_triggered_limit_stop_ends_with_the_position():
    scene = long_of()
    scene.trading_stop(
        tpsl_mode=PARTIAL, take_profit="104", tp_order_type=OrderType.LIMIT, tp_limit_price="105", tp_size="2"
    )
    scene.bar("100", high="104.5", close="104.5")
    (order,) = scene.engine.orders(UID)
    scene.market(SELL, "3", reduce_only=True)
    scene.bar("104")
    assert scene.order(order).cancel_type == "CancelByReduceOnly"
    assert (scene.position().size, scene.engine.orders(UID)) == (0, [])


def test_an_entry_puts_on_what_it_has_filled():
    scene = Scene(balance="10000")
    scene.place(BUY, "12", "98", order_link_id="in", tpsl_mode=PARTIAL, take_profit="104", stop_loss="95")
    # two legs through 98 give 5 each
    scene.bar("100", low="97")
    orders = scene.engine.orders(UID)
    stops = {order.stop_order_type: order for order in orders if order.stop_order_type}
    assert {kind: order.quantity for kind, order in stops.items()} == {
        "PartialTakeProfit": D(10), "PartialStopLoss": D(10),
    }  # fmt: skip
    assert {order.parent_order_link_id for order in stops.values()} == {"in"}
    scene.bar("100", low="97")
    assert scene.order(stops["PartialTakeProfit"]).quantity == D(12)


def test_what_an_entry_fills_after_its_pair_ended_gets_a_pair_of_its_own():
    scene = Scene(balance="10000")
    scene.place(BUY, "20", "98", tpsl_mode=PARTIAL, take_profit="104")
    scene.bar("100", low="97", high="105", close="104")
    # 5 on the way down, 5 on the way up, sold at 104
    assert scene.position().size == 0
    scene.bar("100", low="97")
    stops = [order for order in scene.engine.orders(UID) if order.stop_order_type]
    assert [(order.stop_order_type, order.quantity) for order in stops] == [("PartialTakeProfit", D(10))]


def test_they_shrink_with_the_position_and_end_with_it():
    scene = long_of()
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", tp_size="3")
    scene.market(SELL, "2", reduce_only=True)
    scene.bar("100")
    (order,) = scene.engine.orders(UID)
    assert order.quantity == D(1)
    scene.market(SELL, "1", reduce_only=True)
    scene.bar("100")
    state = scene.order(order)
    assert (state.status, state.cancel_type) == (OrderStatus.CANCELLED, "CancelByTpSlTsClear")


def test_full_and_partial_stand_side_by_side():
    scene = long_of()
    scene.stops(tp="108", sl="94")
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", tp_size="1")
    scene.bar("100", high="106", close="100")
    assert (scene.position().size, scene.stop_orders()["TakeProfit"].quantity) == (D(2), D(2))


def test_cancelling_one_of_a_pair_cancels_the_other():
    scene = long_of()
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", stop_loss="96", tp_size="1", sl_size="1")
    scene.engine.cancel_order(UID, COIN, scene.stop_orders()["PartialTakeProfit"].order_id)
    assert scene.engine.orders(UID) == []


def test_changing_one_of_a_pair_alone_unbinds_it():
    scene = long_of()
    scene.stops(tp="105", sl="96")
    scene.stops(tp="106")
    scene.engine.cancel_order(UID, COIN, scene.stop_orders()["TakeProfit"].order_id)
    assert [order.stop_order_type for order in scene.engine.orders(UID)] == ["StopLoss"]


def test_the_stops_of_a_position_can_watch_the_mark_price():
    scene = long_of()
    scene.trading_stop(stop_loss="97", sl_trigger_by=TriggerBy.MARK)
    assert scene.stop_orders()["StopLoss"].trigger_by == "MarkPrice"
    scene.bar("100", low="96", mark="100")
    # the mark follows the last price inside the bar
    assert scene.executions()[-1].price == D(97)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"take_profit": "105", "tp_size": "4"}, 110058),
        ({"take_profit": "105", "tp_size": "0.005"}, 10001),
        ({"take_profit": "105", "stop_loss": "95", "tp_size": "1", "sl_size": "2"}, 10001),
        ({"take_profit": "99", "tp_size": "1"}, 10001),
        ({"take_profit": "105", "tp_size": "1", "tp_order_type": OrderType.LIMIT}, 10001),
        ({"take_profit": "0"}, 34040),
        (
            {
                "tpsl_mode": TpslMode.FULL, "take_profit": "105", "tp_order_type": OrderType.LIMIT,
                "tp_limit_price": "105",
            },
            10001,
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_set_changes_nothing(fields, code):
    scene = long_of()
    with pytest.raises(Refused) as refused:
        scene.trading_stop(**({"tpsl_mode": PARTIAL} | fields))
    assert refused.value.code == code
    assert (scene.engine.orders(UID), scene.engine.take_events()) == ([], [])


def test_twenty_of_them_and_no_more():
    scene = long_of()
    for number in range(20):
        scene.trading_stop(tpsl_mode=PARTIAL, take_profit=f"{101 + number}", tp_size="0.1")
    with pytest.raises(Refused) as refused:
        scene.trading_stop(tpsl_mode=PARTIAL, take_profit="130", tp_size="0.1")
    assert refused.value.code == 110061


def test_a_triggered_pair_is_told_step_by_step():
    scene = long_of()
    scene.trading_stop(tpsl_mode=PARTIAL, take_profit="105", stop_loss="96", tp_size="1", sl_size="1")
    scene.engine.take_events()
    scene.bar("100", low="95", close="101")
    orders = [event for event in scene.engine.take_events() if isinstance(event, OrderState)]
    assert [(order.stop_order_type, order.status) for order in orders] == [
        ("PartialStopLoss", OrderStatus.TRIGGERED),
        ("PartialStopLoss", OrderStatus.NEW),
        ("PartialStopLoss", OrderStatus.FILLED),
        ("PartialTakeProfit", OrderStatus.CANCELLED),
    ]


def test_a_limit_stop_that_rests_ends_with_the_position():
    # given a stop loss that has become a resting order of 20 on a position that has shrunk to 8 since
    scene = Scene(balance="5000")
    scene.market(BUY, "20")
    scene.bar(volume="100000")
    scene.trading_stop(
        tpsl_mode=PARTIAL, stop_loss="98", sl_size="20", sl_order_type=OrderType.LIMIT, sl_limit_price="99"
    )
    (stop,) = scene.engine.orders(UID)
    scene.bar("100", low="97.5", close="97.5")
    scene.market(SELL, "12")
    scene.bar("97.5", volume="100000")
    # when the price trades through its limit, 5 on each leg
    scene.bar("97.5", high="100", close="99.5")
    # then it has closed the 8 and is over
    ended = scene.order(stop)
    assert (ended.filled_quantity, ended.cancel_type) == (D(8), "CancelByReduceOnly")
    assert (scene.position().size, scene.engine.orders(UID)) == (0, [])
