from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.domain.fill import ExecType
from paper_exchange.engine import EngineAccount, PositionState
from paper_exchange.engine.requests import MarginMode
from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene

LOSER, FIRST, SECOND = 1, 2, 3


def scene_with_fund(insurance: Decimal | None) -> Scene:
    """A long of 10 with little behind it, and two shorts against it: 4 since 100 and 8 since 101, both leverage 10."""
    scene = Scene(uids=(), insurance=insurance)
    for uid, balance in ((LOSER, "60"), (FIRST, "1000"), (SECOND, "1000")):
        scene.engine.open_account(EngineAccount(uid=uid, balance=D(balance)))
    scene.engine.set_leverage(LOSER, COIN, D(20))
    scene.market(BUY, "10", uid=LOSER)
    scene.market(SELL, "4", uid=FIRST)
    scene.bar()
    scene.market(SELL, "8", uid=SECOND)
    scene.bar("101")
    scene.engine.take_events()
    return scene


def busts_and_adls(scene: Scene) -> list[tuple[int, ExecType, Decimal, Decimal]]:
    return [
        (fill.uid, fill.exec_type, fill.price, fill.quantity)
        for uid in (LOSER, FIRST, SECOND)
        for fill in scene.engine.executions(uid)
        if fill.exec_type in (ExecType.BUST, ExecType.ADL)
    ]


def test_a_fund_that_can_bear_the_loss_deleverages_nobody():
    for insurance in (None, D(10_000)):
        scene = scene_with_fund(insurance)
        scene.bar("90")
        assert [row[:2] for row in busts_and_adls(scene)] == [(LOSER, ExecType.BUST)]


def test_without_a_fund_the_best_return_on_margin_is_closed_first():
    scene = scene_with_fund(D(0))
    # a gap to 90: the long is bankrupt at 94.2, which nobody pays
    scene.bar("90")
    bust = D("94.2")
    assert busts_and_adls(scene) == [
        (LOSER, ExecType.BUST, bust, D(10)),
        (FIRST, ExecType.ADL, bust, D(2)),
        (SECOND, ExecType.ADL, bust, D(8)),
    ]
    assert scene.engine.position(FIRST, COIN).size == 2
    assert scene.engine.position(SECOND, COIN).size == 0
    row = scene.engine.transactions(SECOND)[-1]
    assert (row.type, row.cash_flow) == ("ADL", (D(101) - bust) * 8)
    fill = scene.engine.executions(SECOND)[-1]
    assert (fill.create_type, fill.order_link_id, fill.closed_size) == ("CreateByAdl_PassThrough", "", D(8))
    told = [event.status for event in scene.engine.take_events() if isinstance(event, PositionState)]
    assert "Adl" in told
    assert told[-1] == "Normal"


def test_one_can_be_asked_for():
    scene = Scene()
    scene.market(SELL, "3", tp="90")
    scene.bar()
    scene.engine.deleverage(UID, COIN, D(1))
    fill = scene.executions()[-1]
    assert (fill.exec_type, fill.side, fill.price, fill.quantity) == (ExecType.ADL, BUY, D(100), D(1))
    assert [order.quantity for order in scene.engine.orders(UID)] == [2]
    scene.engine.deleverage(UID, COIN, D(5))
    assert scene.position().size == 0
    assert scene.engine.orders(UID) == []
    scene.engine.deleverage(UID, COIN, D(1))
    assert len(scene.executions()) == 3


@pytest.mark.parametrize(("margin_mode", "balance"), [("cross", "700"), ("isolated", "2000")])
def test_nobody_stands_against_himself(margin_mode: MarginMode, balance: str):
    # given a long of 40 and a short of 15 of one account, and no fund
    scene = Scene(uids=(), insurance=D(0))
    scene.engine.open_account(
        EngineAccount(uid=UID, balance=D(balance), position_mode="hedge", margin_mode=margin_mode)
    )
    scene.place(BUY, "40", position_idx=1)
    scene.place(SELL, "15", position_idx=2)
    scene.bar(volume="100000")
    # when a gap ruins the long
    scene.bar("60")
    # then the account's own short is not what closes it
    assert ExecType.ADL not in {fill.exec_type for fill in scene.executions()}
    assert scene.engine.signed_position(UID, COIN, 1) == 0
    assert scene.engine.signed_position(UID, COIN, 2) == (0 if margin_mode == "cross" else -15)
