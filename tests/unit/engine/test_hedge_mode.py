from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from alpha.domain.fill import ExecType
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from paper_exchange.engine import EngineAccount, OrderRequest, OrderState, Refused, TradingStop
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, UID, D, Scene

LONG, SHORT = 1, 2


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.engine.set_position_mode(UID, "hedge", COIN)
    return scene


def market(scene: Scene, side: Side, quantity: str, idx: int, *, reduce_only: bool = False) -> OrderState:
    request = OrderRequest(
        symbol=COIN, side=side, order_type=OrderType.MARKET, quantity=D(quantity), position_idx=idx,
        reduce_only=reduce_only,
    )  # fmt: skip
    return scene.engine.place_order(UID, request)


def refused(action: Callable[[], object]) -> int:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.code


def sizes(scene: Scene) -> list[tuple[int, Side | None, Decimal]]:
    return [(state.position_idx, state.side, state.size) for state in scene.engine.positions(UID)]


def test_long_and_short_are_held_side_by_side(scene: Scene):
    market(scene, BUY, "2", LONG)
    market(scene, SELL, "1", SHORT)
    scene.bar()
    assert sizes(scene) == [(1, Side.BUY, D(2)), (2, Side.SELL, D(1))]
    market(scene, SELL, "2", LONG)
    scene.bar("105")
    # the long gains 2 x 5, less two fees of 0.1 %: 0.2 and 0.21
    assert scene.engine.position(UID, COIN, LONG).cumulative_realized_pnl == D("9.59")
    # the short loses 5 and has paid 0.1
    assert scene.engine.position(UID, COIN, SHORT).unrealized_pnl == D(-5)
    assert scene.wallet().equity == D(1000) + D("9.59") - D("0.1") - 5


def test_an_order_against_its_position_closes_and_never_opens(scene: Scene):
    assert refused(lambda: market(scene, SELL, "1", LONG)) == 110017
    market(scene, BUY, "1", LONG)
    scene.bar()
    closing = market(scene, SELL, "5", LONG)
    assert (closing.quantity, closing.reduce_only) == (D(1), True)
    scene.bar()
    assert sizes(scene) == [(1, None, D(0))]


def test_a_close_of_one_side_leaves_the_orders_and_stops_of_the_other(scene: Scene):
    market(scene, BUY, "1", LONG)
    market(scene, SELL, "1", SHORT)
    scene.bar()
    for idx, stop_loss in ((LONG, "90"), (SHORT, "110")):
        stops = TradingStop(symbol=COIN, stop_loss=D(stop_loss), position_idx=idx)
        scene.engine.set_trading_stop(UID, stops)
    scene.bar("100", low="89")
    assert sizes(scene) == [(1, None, D(0)), (2, Side.SELL, D(1))]
    assert [order.position_idx for order in scene.engine.orders(UID)] == [SHORT]
    ids = {order.order_id for order in scene.engine.orders(UID, open_only=False) if order.stop_order_type}
    assert len(ids) == 2


def test_funding_is_paid_by_one_side_and_received_by_the_other(scene: Scene):
    market(scene, BUY, "2", LONG)
    market(scene, SELL, "1", SHORT)
    scene.bar()
    scene.bar(funding="0.001")
    paid = {fill.position_idx: fill.fee for fill in scene.executions() if fill.exec_type is ExecType.FUNDING}
    assert paid == {LONG: D("0.2"), SHORT: D("-0.1")}


def test_both_sides_are_taken_over_when_the_account_is_ruined(scene: Scene):
    scene.engine.set_leverage(UID, COIN, D(100))
    for _ in range(3):
        market(scene, BUY, "30", LONG)
        scene.bar()
    market(scene, SELL, "10", SHORT)
    scene.bar()
    scene.bar("100", low="80")
    busts = {fill.position_idx for fill in scene.executions() if fill.exec_type is ExecType.BUST}
    assert busts == {LONG, SHORT}
    assert scene.wallet().balance >= 0


def test_leverage_is_one_for_both_sides(scene: Scene):
    scene.engine.set_leverage(UID, COIN, D(25))
    assert [scene.engine.position(UID, COIN, idx).leverage for idx in (LONG, SHORT)] == [25, 25]
    assert refused(lambda: scene.engine.set_leverage(UID, COIN, D(25))) == 110043
    scene.engine.set_position_mode(UID, "one_way", COIN)
    assert scene.position().leverage == 25


@pytest.mark.parametrize(("symbol", "idx"), [(COIN, 0), (OTHER, 1), (OTHER, 2), (COIN, 3)])
def test_an_index_of_the_other_mode_is_refused(scene: Scene, symbol: str, idx: int):
    request = OrderRequest(
        symbol=symbol, side=BUY, order_type=OrderType.MARKET, quantity=D(1), position_idx=idx
    )  # fmt: skip
    assert refused(lambda: scene.engine.place_order(UID, request)) == 10001


def test_switching_is_refused_when_unchanged_held_or_ordered(scene: Scene):
    def switch() -> None:
        scene.engine.set_position_mode(UID, "one_way", COIN)

    assert refused(lambda: scene.engine.set_position_mode(UID, "hedge", COIN)) == 110025
    resting = scene.engine.place_order(
        UID,
        OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=D(1), price=D(99), position_idx=LONG),
    )
    assert refused(switch) == 110028
    scene.engine.cancel_order(UID, COIN, resting.order_id)
    market(scene, BUY, "1", LONG)
    scene.bar()
    assert refused(switch) == 110024
    market(scene, SELL, "1", LONG)
    scene.bar()
    switch()
    assert not scene.engine.is_hedge(UID, COIN)


def test_switching_the_account_leaves_symbols_in_use_behind():
    scene = Scene()
    scene.market(BUY, "1")
    scene.bar()
    scene.engine.set_position_mode(UID, "hedge")
    assert not scene.engine.is_hedge(UID, COIN)
    assert scene.engine.is_hedge(UID, OTHER)
    # only the one in use is left to switch, and cannot be
    assert refused(lambda: scene.engine.set_position_mode(UID, "hedge")) == 110024
    scene.market(SELL, "1")
    scene.bar()
    scene.engine.set_position_mode(UID, "hedge")
    assert scene.engine.is_hedge(UID, COIN)
    assert refused(lambda: scene.engine.set_position_mode(UID, "hedge")) == 110025


def test_an_account_may_be_opened_in_hedge_mode():
    scene = Scene(uids=())
    scene.engine.open_account(EngineAccount(uid=UID, balance=D(10), position_mode="hedge"))
    assert [scene.engine.position(UID, COIN, idx).size for idx in (LONG, SHORT)] == [0, 0]
