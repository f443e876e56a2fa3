from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus, OrderType
from paper_exchange.engine import Engine, EngineAccount, FeeRates, OrderRequest, Refused, TradingStop
from tests.unit.engine.scene import BUY, COIN, SELL, START, UID, D, Scene, instrument


def refusal(action: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.code, caught.value.text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": Symbol("NOPEUSDT")}, 10001),
        ({"position_idx": 1}, 10001),
        ({"order_link_id": "bad id!"}, 10001),
        ({"quantity": D("0.005")}, 10001),
        ({"quantity": D("0")}, 10001),
        ({"quantity": D("-1")}, 10001),
        ({"quantity": D("1001")}, 10001),
        ({"order_type": OrderType.MARKET, "quantity": D("501")}, 10001),
        ({"price": None}, 10001),
        ({"price": D("100.05")}, 10001),
        ({"price": D("102.1")}, 110003),
        ({"price": D("90"), "quantity": D("0.05")}, 110094),
        ({"take_profit": D("99")}, 10001),
        ({"stop_loss": D("101")}, 10001),
        ({"stop_loss": D("98.55")}, 10001),
        ({"reduce_only": True}, 110017),
        ({"quantity": D("200")}, 110007),
    ],
)
def test_a_bad_order_is_refused_with_bybits_code_and_leaves_no_trace(change, code):
    scene = Scene()
    fields = {"symbol": COIN, "side": BUY, "order_type": OrderType.LIMIT, "quantity": D(1), "price": D(100)}
    request = OrderRequest(**(fields | change))
    assert refusal(lambda: scene.engine.place_order(UID, request))[0] == code
    assert scene.engine.orders(UID, open_only=False) == []
    assert scene.engine.take_events() == []


def test_a_refused_order_without_a_link_id_does_not_shift_the_ids_of_later_ones():
    made = []
    for was_refused_before in (False, True):
        # given margin for one of two orders, and one that rests
        scene = Scene()
        first = scene.limit(BUY, "60", "99", link="first")
        scene.bar()
        if was_refused_before:
            assert refusal(lambda scene=scene: scene.limit(BUY, "60", "98"))[0] == 110007
        # when the margin is free again and the order is placed
        scene.engine.cancel_order(UID, COIN, first.order_id)
        made.append(scene.limit(BUY, "60", "98").order_id)
    # then it is the same order, whether it was refused before or not
    assert made[0] == made[1]


def test_texts_are_those_seen_live():
    scene = Scene()
    assert refusal(lambda: scene.market(BUY, "200")) == (110007, "ab not enough for new order")
    assert refusal(lambda: scene.market(BUY, "1", reduce_only=True)) == (
        110017,
        "current position is zero, cannot fix reduce-only order qty",
    )
    # quantities in 1e-8, prices in 1e-4 units
    assert refusal(lambda: scene.market(BUY, "501"))[1] == (
        "The number of contracts exceeds maximum limit allowed: too large, order_qty:50100000000 > max_qty:50000000000"
    )
    assert refusal(lambda: scene.market(SELL, "1", sl="99"))[1] == (
        "StopLoss:990000 set for Sell position should be higher than base_price:1000000??LastPrice"
    )


def test_a_repeated_link_id_is_refused_even_after_the_order_ended():
    scene = Scene()
    scene.market(BUY, "1", link="once")
    assert refusal(lambda: scene.market(BUY, "1", link="once")) == (110072, "OrderLinkedID is duplicate")
    scene.bar("100")
    assert refusal(lambda: scene.market(SELL, "1", link="once", reduce_only=True))[0] == 110072
    scene.market(SELL, "1", link="close", reduce_only=True)
    scene.bar("100")
    # the repeat of a close hears that it is there, not that there is nothing to close
    assert refusal(lambda: scene.market(SELL, "1", link="close", reduce_only=True))[0] == 110072


def test_two_accounts_may_use_the_same_link_id():
    scene = Scene(uids=(1, 2))
    first = scene.market(BUY, "1", link="x", uid=1)
    second = scene.market(BUY, "1", link="x", uid=2)
    assert first.order_id != second.order_id


def test_reduce_only_is_cut_to_the_position_and_refused_on_its_own_side():
    scene = Scene()
    scene.market(BUY, "2")
    scene.bar("100")
    assert refusal(lambda: scene.market(BUY, "1", reduce_only=True))[1] == (
        "reduce-only order has same side with current position"
    )
    order = scene.market(SELL, "5", reduce_only=True)
    assert order.quantity == D(2)
    scene.bar("100")
    assert scene.position().size == 0


def test_quantity_zero_with_reduce_only_and_close_on_trigger_closes_everything():
    scene = Scene()
    scene.market(SELL, "3")
    scene.bar("100")
    scene.market(BUY, "0", reduce_only=True, close_on_trigger=True)
    scene.bar("100")
    assert scene.position().size == 0


def test_a_reduce_only_order_whose_position_went_is_cancelled():
    scene = Scene()
    scene.market(BUY, "2")
    scene.bar("100")
    waiting = scene.limit(SELL, "2", "110", reduce_only=True)
    scene.bar("100")
    first = scene.market(SELL, "2", link="a")
    second = scene.market(SELL, "2", link="b", reduce_only=True)
    scene.bar("100")
    assert scene.order(first).status is OrderStatus.FILLED
    for order in (waiting, second):
        state = scene.order(order)
        assert (state.status, state.cancel_type) == (OrderStatus.CANCELLED, "CancelByReduceOnly")
    assert scene.position().size == 0


def test_orders_that_fit_alone_but_not_together_are_decided_by_their_names():
    # 1,000 USDT at leverage 10 carries about 9,800: each of 6,000 fits alone
    def run(links: tuple[str, str]) -> dict[str, OrderStatus]:
        scene = Scene()
        for link in links:
            scene.limit(BUY, "60", "99", link=link)
        scene.bar("100")
        return {link: scene.engine.order(UID, order_link_id=link).status for link in sorted(links)}  # type: ignore[union-attr]

    assert run(("a", "b")) == run(("b", "a")) == {"a": OrderStatus.NEW, "b": OrderStatus.REJECTED}


def test_an_order_that_only_reduces_needs_no_margin():
    scene = Scene(balance="101")
    scene.market(BUY, "9.8")
    scene.bar("100")
    assert scene.position().size == D("9.8")
    scene.market(SELL, "9.8")
    scene.bar("99")
    assert scene.position().size == 0


def test_cancel_and_amend_of_what_is_not_open():
    scene = Scene()
    order = scene.market(BUY, "1")
    scene.bar("100")
    engine = scene.engine
    assert refusal(lambda: engine.cancel_order(UID, COIN, order.order_id)) == (
        110001,
        "order not exists or too late to cancel",
    )
    assert refusal(lambda: engine.cancel_order(UID, COIN, order_link_id="never"))[0] == 110001
    assert refusal(lambda: engine.amend_order(UID, COIN, order_id=order.order_id, price=D(99))) == (
        110001,
        "order not exists or too late to replace",
    )


def test_amend_is_checked_like_a_new_order():
    scene = Scene(balance="10000")
    order = scene.limit(BUY, "12", "98")
    scene.bar("100", low="97")

    def change(**what: Decimal) -> Callable[[], object]:
        return lambda: scene.engine.amend_order(UID, COIN, order_id=order.order_id, **what)

    assert refusal(change())[0] == 10001
    assert refusal(change(quantity=D(10)))[0] == 110064
    assert refusal(change(quantity=D("12.005")))[0] == 10001
    assert refusal(change(price=D("98.05")))[0] == 10001
    assert refusal(change(quantity=D(1000), price=D(99)))[0] == 110007
    assert scene.order(order).quantity == D(12)
    assert scene.engine.amend_order(UID, COIN, order_id=order.order_id, quantity=D(11)).quantity == D(11)


def test_leverage():
    scene = Scene()
    engine = scene.engine
    assert refusal(lambda: engine.set_leverage(UID, COIN, D(10))) == (110043, "leverage not modified")
    assert refusal(lambda: engine.set_leverage(UID, COIN, D(101)))[0] == 110013
    assert refusal(lambda: engine.set_leverage(UID, COIN, D("0.5")))[0] == 10001
    assert engine.set_leverage(UID, COIN, D(20)).leverage == D(20)
    scene.market(BUY, "90")
    scene.bar("100", volume="100000")
    assert refusal(lambda: engine.set_leverage(UID, COIN, D(5)))[0] == 110012
    assert scene.position().leverage == D(20)


def test_stops_need_a_position_the_right_side_and_a_change():
    scene = Scene()
    assert refusal(lambda: scene.stops(sl="90")) == (10001, "can not set tp/sl/ts for zero position")
    scene.market(BUY, "1")
    scene.bar("100")
    assert refusal(lambda: scene.stops())[0] == 34040
    assert refusal(lambda: scene.stops(sl="100"))[0] == 10001
    assert refusal(lambda: scene.stops(tp="100", sl="90"))[0] == 10001
    assert scene.position().stop_loss is None
    assert refusal(lambda: scene.stops(tp="0"))[0] == 34040
    assert refusal(lambda: scene.stops(active="110"))[0] == 10001
    assert refusal(lambda: scene.stops(trailing="0.05"))[0] == 10001
    scene.stops(sl="90", trailing="5")
    assert refusal(lambda: scene.stops(sl="90", trailing="5")) == (34040, "not modified")
    wrong = TradingStop(symbol=COIN, stop_loss=D(91), position_idx=2)
    assert refusal(lambda: scene.engine.set_trading_stop(UID, wrong))[0] == 10001


def test_no_orders_before_the_first_price():
    fees = FeeRates(taker=D("0.001"), maker=D("0.001"))
    engine = Engine(instruments={COIN: instrument(COIN)}, fees={COIN: fees}, seed=1, start=START)
    engine.open_account(EngineAccount(uid=UID, balance=D(1000)))
    request = OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D(1))
    assert refusal(lambda: engine.place_order(UID, request))[0] == 110074
    assert engine.last_price(COIN) is None


def test_misuse_is_an_invalid_value_and_not_a_refusal():
    scene = Scene()
    old = scene.make_bar("100")
    scene.bar("100")
    with pytest.raises(InvalidValue):
        scene.engine.step({COIN: old})
    with pytest.raises(InvalidValue):
        scene.engine.step({})
    with pytest.raises(InvalidValue):
        scene.engine.wallet(99)
    with pytest.raises(InvalidValue):
        scene.engine.open_account(EngineAccount(uid=UID, balance=D(1)))
