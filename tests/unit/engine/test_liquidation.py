from __future__ import annotations

import pytest

from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderStatus
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, UID, D, Scene


def leveraged_long() -> Scene:
    """10 long at 100 with leverage 20 and 60 USDT: 59 after the fee of 1."""
    scene = Scene(balance="60")
    scene.engine.set_leverage(UID, COIN, D(20))
    scene.market(BUY, "10", sl="90")
    scene.bar("100")
    return scene


def test_liquidation_takes_the_position_over_at_the_bankruptcy_price():
    scene = leveraged_long()
    assert scene.wallet().balance == D(59)
    # 59 + 10 (p - 100) = 10 p * (0.005 + 0.95 * 0.001) -> p = 941 / (10 - 0.0595) = 94.663...
    assert scene.position().liq_price == D("94.7")
    # 59 + 10 (p - 100) = 10 p * 0.001 -> p = 941 / 9.99 = 94.194...
    assert scene.position().bust_price == D("94.2")
    scene.bar("100", low="93", close="98")
    fill = scene.executions()[-1]
    assert (fill.exec_type, fill.create_type, fill.order_link_id) == (
        ExecType.BUST,
        "CreateByTakeOver_PassThrough",
        "",
    )
    # on the tick that leaves a little: (94.2 - 100) * 10 = -58, fee 942 * 0.001 = 0.942 -> 59 - 58.942
    assert (fill.side, fill.price, fill.exec_pnl, fill.fee) == (SELL, D("94.2"), D(-58), D("0.942"))
    assert scene.wallet().balance == D("0.058")
    # reached at 94.6, the first tick past 94.663
    assert fill.mark_price == D("94.6")
    assert scene.position().size == 0
    assert scene.engine.transactions(UID)[-1].type == "LIQUIDATION"


def test_open_orders_are_cancelled_first():
    scene = Scene(balance="60")
    scene.engine.set_leverage(UID, COIN, D(20))
    scene.market(BUY, "10", sl="90")
    resting = scene.limit(BUY, "0.5", "99", symbol=OTHER)
    scene.engine.step({COIN: scene.make_bar("100"), OTHER: scene.make_bar("100", symbol=OTHER)})
    stop = scene.stop_orders()["StopLoss"]
    waiting = scene.limit(SELL, "1", "101", reduce_only=True)
    scene.bar("100", low="93")
    for order in (resting, stop, waiting):
        state = scene.order(order)
        assert (state.status, state.cancel_type) == (OrderStatus.CANCELLED, "CancelByPrepareLiq")
    assert scene.engine.orders(UID) == []


def test_a_stop_before_the_liquidation_price_saves_the_account():
    scene = leveraged_long()
    scene.stops(sl="96")
    scene.bar("100", low="93")
    assert scene.executions()[-1].exec_type is ExecType.TRADE
    # 59 - 40 - 960 * 0.001
    assert scene.wallet().balance == D("18.04")


def test_a_gap_beyond_bankruptcy_leaves_no_debt():
    scene = leveraged_long()
    scene.stops(sl="0")
    scene.bar("80")
    assert scene.executions()[-1].price == D("94.2")
    assert D(0) <= scene.wallet().balance < D(1)


def test_the_mark_price_decides_not_the_last():
    scene = leveraged_long()
    scene.bar("100", close="95", mark="99")
    assert scene.position().size == D(10)
    # with the mark 4 above the last price inside the bar, 94 is a mark of 98
    scene.bar("95", low="94", close="95", mark="99")
    assert scene.position().size == D(10)
    scene.bar("95", close="95", mark="94")
    assert scene.executions()[-1].exec_type is ExecType.BUST


def test_a_short_is_liquidated_by_a_rise():
    scene = Scene(balance="60")
    scene.engine.set_leverage(UID, COIN, D(20))
    scene.market(SELL, "10")
    scene.bar("100")
    scene.bar("100", high="108")
    fill = scene.executions()[-1]
    assert (fill.exec_type, fill.side) == (ExecType.BUST, BUY)
    # 59 - 10 (p - 100) = 10 p * 0.001 -> p = 1059 / 10.01 = 105.794... -> 105.7 leaves a little
    assert fill.price == D("105.7")
    assert D(0) <= scene.wallet().balance < D(1)


def test_the_whole_account_is_liquidated():
    scene = Scene(balance="120")
    for symbol in (COIN, OTHER):
        scene.engine.set_leverage(UID, symbol, D(20))
        scene.market(BUY, "10", symbol=symbol)
    both: tuple[Symbol, Symbol] = (COIN, OTHER)
    scene.engine.step({symbol: scene.make_bar("100", symbol=symbol) for symbol in both})
    scene.engine.step({symbol: scene.make_bar("100", low="93.5", symbol=symbol) for symbol in both})
    busts = [fill for fill in scene.executions() if fill.exec_type is ExecType.BUST]
    assert sorted(fill.symbol for fill in busts) == [COIN, OTHER]
    assert D(0) <= scene.wallet().balance < D(3)
    assert scene.wallet().equity == scene.wallet().balance


def test_a_close_of_ones_own_costs_no_more_than_there_is():
    scene = leveraged_long()
    scene.stops(sl="0")
    # the mark price stands 6 above the last one, so that the gap to 90 does not liquidate
    scene.bar("100", mark="106")
    scene.market(SELL, "10")
    scene.bar("90", mark="96")
    fill = scene.executions()[-1]
    # at 90 the 59 would be short of 41; 94.2 is the bankruptcy price on a tick, and the fee is 0.942
    assert (fill.exec_type, fill.price) == (ExecType.TRADE, D("94.2"))
    assert scene.wallet().balance == D(59) - 58 - D("0.942")


@pytest.mark.parametrize("another_is_busy", [False, True])
def test_one_that_funding_has_made_due_dies_whoever_else_is_there(another_is_busy: bool):
    # given a long of 9 whose equity of 10.6 at 90 stands above its maintenance margin of 4.8
    scene = Scene(uids=(UID, 2), balance="101.5")
    scene.market(BUY, "9")
    scene.bar(volume="100000")
    scene.bar("90")
    if another_is_busy:
        scene.limit(BUY, "0.1", "89.5", uid=2)
    # when funding takes 6.9 of it, and the bar does not go against the position
    scene.bar("90.1", high="90.2", funding="0.0085")
    # then it is taken over, whether the bar had to be walked for somebody else or not
    assert [fill.exec_type for fill in scene.executions()] == [ExecType.TRADE, ExecType.FUNDING, ExecType.BUST]
