from __future__ import annotations

from datetime import timedelta

from alpha.domain.fill import ExecType
from tests.unit.engine.scene import BUY, COIN, SELL, START, UID, D, Scene


def test_a_long_pays_a_positive_rate_on_the_mark_price():
    scene = Scene()
    scene.market(BUY, "4")
    scene.bar("100", close="104", mark="105")
    balance = scene.wallet().balance
    scene.bar("104", funding="0.0001")
    fill = scene.executions()[-1]
    # 4 * 105 * 0.0001 = 0.042
    assert (fill.exec_type, fill.fee, fill.fee_rate) == (ExecType.FUNDING, D("0.042"), D("0.0001"))
    assert (fill.price, fill.quantity, fill.side, fill.exec_time) == (D(105), D(4), BUY, START + timedelta(minutes=5))
    assert (fill.order_link_id, fill.order_type, fill.create_type, fill.closed_size) == ("", "UNKNOWN", "", D(0))
    assert (scene.position().size, scene.wallet().balance) == (D(4), balance - D("0.042"))
    row = scene.engine.transactions(UID)[-1]
    assert (row.type, row.funding, row.fee, row.change) == ("SETTLEMENT", D("-0.042"), D(0), D("-0.042"))


def test_a_short_receives_it():
    scene = Scene()
    scene.market(SELL, "4")
    scene.bar("100")
    scene.bar("100", funding="0.0001")
    fill = scene.executions()[-1]
    assert (fill.fee, fill.fee_rate, fill.side) == (D("-0.04"), D("-0.0001"), SELL)
    # 0.4 for the fee of the entry was paid, 0.04 came in
    assert scene.position().current_realized_pnl == D("-0.36")


def test_only_positions_held_at_the_instant_pay():
    scene = Scene()
    scene.market(BUY, "4")
    scene.bar("100", funding="0.01")
    assert [fill.exec_type for fill in scene.executions()] == [ExecType.TRADE]
    scene.market(SELL, "4", reduce_only=True)
    scene.bar("100", funding="0.01")
    # held at the instant, so paid before the close that arrived is matched
    assert [fill.exec_type for fill in scene.executions()[1:]] == [ExecType.FUNDING, ExecType.TRADE]
    seqs = [fill.seq for fill in scene.executions()]
    assert seqs == sorted(set(seqs))
    scene.bar("100", funding="0.01")
    assert len(scene.executions()) == 3
    assert scene.engine.position(UID, COIN).size == 0
