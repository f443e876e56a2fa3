from __future__ import annotations

from datetime import timedelta

from alpha.domain.order import OrderStatus
from paper_exchange.engine import Execution, OrderState, PositionState, Wallet
from tests.unit.engine.scene import BUY, COIN, SELL, START, UID, D, Scene


def test_a_market_order_waits_for_the_next_open_and_fills_there():
    scene = Scene()
    order = scene.market(BUY, "2", link="a-1")
    assert (order.status, scene.executions()) == (OrderStatus.NEW, [])
    scene.bar("101", high="103", low="99", close="102")
    (fill,) = scene.executions()
    assert (fill.price, fill.quantity, fill.exec_time) == (D(101), D(2), START)
    # fee 101 * 2 * 0.001 = 0.202
    assert (fill.fee, fill.fee_rate, fill.is_maker, fill.closed_size) == (D("0.202"), D("0.001"), False, D(0))
    assert scene.order(order).status is OrderStatus.FILLED
    assert scene.wallet().balance == D("999.798")


def test_a_large_order_walks_the_book_in_executions_of_one_match():
    scene = Scene(balance="10000")
    order = scene.market(BUY, "25")
    scene.bar("100")
    fills = scene.executions()
    assert [(fill.price, fill.quantity, fill.leaves_quantity) for fill in fills] == [
        (D("100.0"), D(10), D(15)),
        (D("100.1"), D(10), D(5)),
        (D("100.2"), D(5), D(0)),
    ]
    assert len({(fill.exec_time, fill.seq) for fill in fills}) == 1
    assert len({fill.exec_id for fill in fills}) == 3
    # (10 * 100 + 10 * 100.1 + 5 * 100.2) / 25 = 2502 / 25
    assert scene.order(order).average_price == D("100.08") == scene.position().entry_price


def test_what_the_book_does_not_hold_is_cancelled():
    scene = Scene(balance="10000")
    order = scene.market(SELL, "40")
    scene.bar("100")
    state = scene.order(order)
    assert (state.status, state.filled_quantity, state.leaves_quantity) == (OrderStatus.CANCELLED, D(30), D(0))
    assert state.reject_reason == "EC_NoImmediateQtyToFill"
    assert scene.position().size == D(30)


def test_the_smallest_order_trades_in_an_empty_bar():
    scene = Scene()
    order = scene.market(BUY, "0.05")
    scene.bar("100", volume="0")
    assert scene.order(order).status is OrderStatus.FILLED


def test_events_come_as_execution_order_position_wallet():
    scene = Scene()
    scene.market(BUY, "1")
    told = scene.engine.take_events()
    assert [type(event) for event in told] == [OrderState, PositionState]
    scene.bar("100")
    told = scene.engine.take_events()
    assert [type(event) for event in told] == [Execution, OrderState, PositionState, Wallet]
    assert scene.engine.take_events() == []


def test_orders_are_matched_by_link_id_whenever_they_arrived():
    def run(links: list[str]) -> list[tuple[str, str, int]]:
        scene = Scene()
        for link in links:
            scene.market(BUY if link == "b" else SELL, "1", link=link)
        scene.bar("100")
        return [(fill.order_link_id, fill.exec_id, fill.seq) for fill in scene.executions()]

    assert run(["c", "a", "b"]) == run(["b", "c", "a"])
    assert [link for link, _, _ in run(["c", "b", "a"])] == ["a", "b", "c"]


def test_ids_depend_on_the_seed():
    assert Scene(seed=1).market(BUY, "1", link="x").order_id == Scene(seed=1).market(BUY, "1", link="x").order_id
    assert Scene(seed=1).market(BUY, "1", link="x").order_id != Scene(seed=2).market(BUY, "1", link="x").order_id


def test_two_equal_orders_without_link_id_are_two_orders():
    scene = Scene()
    assert scene.market(BUY, "1").order_id != scene.market(BUY, "1").order_id


def test_increase_averages_reduce_keeps_and_a_flip_starts_anew():
    scene = Scene(balance="10000")
    scene.market(BUY, "2")
    scene.bar("100")
    scene.market(BUY, "2")
    scene.bar("110")
    # (2 * 100 + 2 * 110) / 4 = 105
    assert (scene.position().size, scene.position().entry_price) == (D(4), D(105))
    scene.market(SELL, "1")
    scene.bar("115")
    reduce = scene.executions()[-1]
    # (115 - 105) * 1 = 10
    assert (reduce.closed_size, reduce.exec_pnl, scene.position().entry_price) == (D(1), D(10), D(105))
    flip = scene.market(SELL, "5")
    scene.bar("100")
    fill = scene.executions()[-1]
    # 3 closed with (100 - 105) * 3 = -15; 2 short at 100
    assert (fill.quantity, fill.closed_size, fill.exec_pnl) == (D(5), D(3), D(-15))
    position = scene.position()
    assert (position.side, position.size, position.entry_price) == (SELL, D(2), D(100))
    # closed P&L: -15, less the fee to open those 3 (0.105 each), less the fee to close them (0.1 each):
    # fees to open 2 * 100 * 0.001 + 2 * 110 * 0.001 = 0.42 for 4, so 0.315 for 3; to close 3 * 100 * 0.001 = 0.3
    assert scene.order(flip).closed_pnl == D("-15.615")
    # the new holding has paid the fee of its 2: 2 * 100 * 0.001
    assert position.current_realized_pnl == D("-0.2")


def test_a_symbol_without_a_bar_stands_still():
    scene = Scene()
    order = scene.market(BUY, "1", symbol=COIN)
    scene.engine.step({"OTHERUSDT": scene.make_bar("100", symbol="OTHERUSDT")})  # type: ignore[dict-item, arg-type]
    assert scene.order(order).status is OrderStatus.NEW
    scene.bar("100")
    assert scene.executions()[0].exec_time == START + timedelta(minutes=5)
    assert scene.engine.now == START + timedelta(minutes=10)
    assert scene.engine.orders(UID) == []
