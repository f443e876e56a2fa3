from __future__ import annotations

import pytest

from alpha.domain.fill import ExecType
from paper_exchange.engine import EngineAccount, Refused
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, UID, D, Scene


def isolated_scene(balance: str = "1000") -> Scene:
    scene = Scene(uids=())
    scene.engine.open_account(EngineAccount(uid=UID, balance=D(balance), margin_mode="isolated"))
    return scene


def test_a_position_has_its_margin_and_no_more():
    scene = isolated_scene()
    scene.market(BUY, "10")
    scene.bar()
    position = scene.position()
    # 1,000 at 100, leverage 10: 100, and 1000 * 0.9 * 0.001 to close
    assert (position.own_margin, position.initial_margin) == (D("100.9"), D("100.9"))
    # 100.9 + 10 (p - 100) = 10 p (0.005 + 0.9 * 0.001) -> p = 899.1 / 9.941 = 90.44...
    assert position.liq_price == D("90.4")
    # 100.9 + 10 (p - 100) = 10 p * 0.001 -> p = 899.1 / 9.99 = 90
    assert position.bust_price == D(90)
    # 1,000 less the fee of 1 and the margin; a gain of the position lends nothing
    assert scene.wallet().available == D(1000) - 1 - D("100.9")
    scene.bar("105")
    assert scene.wallet().equity == D(999) + 50
    assert scene.wallet().available == D(999) - D("100.9")


def test_only_the_position_that_is_used_up_is_taken_over():
    scene = isolated_scene()
    scene.market(BUY, "10")
    scene.market(BUY, "1", symbol=OTHER)
    scene.engine.step({COIN: scene.make_bar("100"), OTHER: scene.make_bar("100", symbol=OTHER)})
    kept = scene.limit(BUY, "1", "99", symbol=OTHER)
    lost = scene.limit(SELL, "1", "101")
    before = scene.wallet().balance
    scene.bar("99", low="85")
    fill = next(fill for fill in scene.executions() if fill.exec_type is ExecType.BUST)
    assert (fill.symbol, fill.side, fill.price) == (COIN, SELL, D("90.1"))
    # on the tick that leaves a little of the 100.9 set aside: (90.1 - 100) * 10 and a fee of 0.901
    assert scene.wallet().balance == before - D("99.901")
    assert scene.position(OTHER).size == 1
    assert scene.order(kept).status.value == "New"
    assert scene.order(lost).cancel_type == "CancelByPrepareLiq"


def test_cross_margin_would_have_carried_it():
    scene = Scene()
    scene.market(BUY, "10")
    scene.bar("100", low="85")
    assert scene.position().size == 10


def test_an_order_needs_margin_from_the_balance_alone():
    scene = isolated_scene("150")
    scene.market(BUY, "10")
    scene.bar()
    scene.bar("110")
    # 149 - 100.9 = 48.1 is left whatever the position has won; 5 at 110 would need 55 and fees
    with pytest.raises(Refused, match="110007"):
        scene.market(BUY, "5")
    scene.market(BUY, "4")


def test_funding_is_paid_from_the_margin_when_nothing_else_is_left():
    scene = isolated_scene("102")
    scene.market(BUY, "10")
    scene.bar()
    # 102 - 1 - 100.9 = 0.1 is free; 10 are due
    scene.bar(funding="0.01")
    assert scene.position().own_margin == D("91")
    assert scene.wallet().balance == D(91)
    scene.market(SELL, "10")
    scene.bar()
    scene.market(BUY, "1")
    scene.bar()
    # a new position begins without the debts of the old one
    assert scene.position().own_margin == D("10.09")


def test_switching_needs_margin_for_everything():
    scene = Scene(balance="60")
    assert scene.engine.margin_mode(UID) == "cross"
    with pytest.raises(Refused, match="110026"):
        scene.engine.set_margin_mode(UID, "cross")
    scene.engine.set_leverage(UID, COIN, D(100))
    scene.market(BUY, "10")
    scene.bar()
    scene.bar("96")
    # 1,000 / 100 and 0.99 to close were set aside, and 40 are lost already
    with pytest.raises(Refused, match="3400045"):
        scene.engine.set_margin_mode(UID, "isolated")
    assert scene.position().own_margin is None
    scene.bar("100")
    scene.engine.set_margin_mode(UID, "isolated")
    assert scene.position().own_margin == D("10.99")
    scene.engine.set_margin_mode(UID, "cross")
    assert scene.position().own_margin is None


def test_a_leverage_that_would_liquidate_at_once_is_refused():
    # given a long of 5 at leverage 2, 50 under water with 250 set aside
    scene = isolated_scene("2000")
    scene.engine.set_leverage(UID, COIN, D(2))
    scene.market(BUY, "5")
    scene.bar()
    scene.bar("90")
    before = scene.position()
    # when, then: of 500 at 50 only 10 would be left behind it
    with pytest.raises(Refused) as caught:
        scene.engine.set_leverage(UID, COIN, D(50))
    assert (caught.value.code, scene.position()) == (110011, before)
    scene.engine.set_leverage(UID, COIN, D(5))
    scene.bar("90")
    assert scene.position().size == 5
