from __future__ import annotations

from alpha.domain.ids import OrderId
from alpha.domain.order import OrderStatus
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from tests.unit.domain.fills import BTCUSDT, START
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, an_order, shared
from websocket_listener.order_board import OrderBoard


def test_a_report_is_told_once_and_a_late_one_not_at_all() -> None:
    board = OrderBoard(shared())
    assert len(board.heard([an_order(n=1)])) == 1
    assert len(board.heard([an_order(status=OrderStatus.FILLED, n=2)])) == 1
    assert board.heard([an_order(n=3), an_order(status=OrderStatus.FILLED, n=2)]) == []
    assert board.open_orders() == []


def test_an_order_is_its_tags_bot_else_the_symbols() -> None:
    link_id = str(OrderLinkId.for_decision(code="b1", bot=ONE, run="r", symbol=BTCUSDT, bar=START, reason=Reason.ENTRY))
    board = OrderBoard(shared())
    changed = board.heard([an_order("tagged", link_id=link_id, symbol=ETHUSDT), an_order("stop", symbol=ETHUSDT)])
    assert [bot for _, bot in changed] == [ONE, TWO]
    assert [order.order_id for order in board.open_of(TWO)] == ["stop"]


def test_an_order_that_is_open_no_more_is_dropped() -> None:
    board = OrderBoard(shared())
    board.heard([an_order()])
    board.ended([OrderId("order-1"), OrderId("never-seen")])
    assert board.open_orders() == []


def test_terminal_orders_are_remembered_for_a_bounded_while() -> None:
    board = OrderBoard(shared(), terminal_kept=1)
    board.heard([an_order("a", OrderStatus.CANCELLED), an_order("b", OrderStatus.CANCELLED)])
    assert board.heard([an_order("b")]) == []
    assert len(board.heard([an_order("a")])) == 1
