"""Market orders that do not wait for the next open."""

from __future__ import annotations

import pytest

from alpha.domain.order import OrderStatus, OrderType
from alpha.domain.side import Side
from paper_exchange.engine import Execution, OrderRequest, OrderState, PositionState, Refused, Wallet
from tests.unit.engine.scene import BUY, COIN, SELL, START, UID, D, Scene


def now(scene: Scene, side: Side, quantity: str, *, link: str = "", reduce_only: bool = False) -> OrderState:
    request = OrderRequest(
        symbol=COIN, side=side, order_type=OrderType.MARKET, quantity=D(quantity), order_link_id=link,
        reduce_only=reduce_only,
    )  # fmt: skip
    return scene.engine.trade_now(UID, request)


def test_it_fills_whole_at_the_market_time_and_is_told_once():
    scene = Scene(balance="100000")
    scene.bar()
    scene.engine.take_events()
    # when 25 are bought of a book that holds ten at each price
    order = now(scene, BUY, "25", link="load-1")
    told = scene.engine.take_events()
    # then there are three executions of one match, and each of the others is told once
    executions = [event for event in told if isinstance(event, Execution)]
    assert [execution.quantity for execution in executions] == [D(10), D(10), D(5)]
    assert {(execution.seq, execution.exec_time) for execution in executions} == {(1, scene.engine.now)}
    assert [type(event) for event in told[3:]] == [OrderState, PositionState, Wallet]
    assert (order.status, order.filled_quantity, order.order_link_id) == (OrderStatus.FILLED, D(25), "load-1")
    assert scene.position().size == D(25)


def test_an_empty_book_leaves_nothing_over():
    scene = Scene(balance="100000")
    assert scene.engine.now == START
    assert now(scene, SELL, "25").filled_quantity == D(25)


def test_orders_that_wait_for_the_next_open_go_on_waiting():
    scene = Scene(balance="100000")
    waiting = scene.market(BUY, "1")
    now(scene, BUY, "2")
    assert scene.order(waiting).status is OrderStatus.NEW
    scene.bar()
    assert scene.order(waiting).status is OrderStatus.FILLED
    assert scene.position().size == D(3)


def test_what_a_waiting_order_would_be_refused_for_it_is_refused_for_as_well():
    scene = Scene(balance="100")
    now(scene, BUY, "1", link="once")
    before = (scene.position(), scene.wallet(), scene.executions())
    for refused, code in (
        (lambda: now(scene, BUY, "1", link="once"), 110072),
        (lambda: now(scene, BUY, "500"), 110007),
        (lambda: now(scene, BUY, "1", reduce_only=True), 110017),
    ):
        with pytest.raises(Refused) as error:
            refused()
        assert error.value.code == code
    assert (scene.position(), scene.wallet(), scene.executions()) == before


def test_only_market_orders_can_be_matched_at_once():
    request = OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=D(1), price=D(100))
    with pytest.raises(Refused, match="only a market order"):
        Scene().engine.trade_now(UID, request)


def test_reduce_only_closes_no_more_than_there_is():
    scene = Scene()
    now(scene, BUY, "2")
    assert now(scene, SELL, "5", reduce_only=True).quantity == D(2)
    assert scene.position().side is None
