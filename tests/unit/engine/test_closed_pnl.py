from __future__ import annotations

from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene


def test_one_row_for_a_close_in_several_fills():
    scene = Scene(balance="100000")
    scene.market(BUY, "20")
    scene.bar(volume="10000")
    closing = scene.market(SELL, "15", link="x-te-1")
    scene.bar("110")
    (row,) = scene.engine.closed_pnl(UID)
    # 10 at 110 and 5 at 109.8, of 20 bought at 100 for a fee of 2
    assert (row.side, row.quantity, row.closed_size, row.fill_count) == (SELL, 15, 15, 2)
    assert (row.average_entry_price, row.exit_value) == (D(100), D("1649"))
    assert row.average_exit_price == D("1649") / 15
    assert (row.open_fee, row.close_fee) == (D("1.5"), D("1.649"))
    assert row.closed_pnl == D(149) - D("1.5") - D("1.649")
    assert row.closed_pnl == scene.order(closing).closed_pnl
    assert (row.order_id, row.order_link_id, row.leverage) == (closing.order_id, "x-te-1", D(10))
    assert row.created_at == row.updated_at == scene.executions()[-1].exec_time


def test_a_flip_counts_what_it_closes():
    scene = Scene(balance="100000")
    scene.market(SELL, "4")
    scene.bar()
    scene.market(BUY, "10")
    scene.bar("90")
    (row,) = scene.engine.closed_pnl(UID)
    assert (row.side, row.quantity, row.closed_size) == (BUY, 10, 4)
    # 4 sold at 100 for 0.4 and bought at 90: 4 / 10 of the fee of 0.9
    assert (row.open_fee, row.close_fee, row.closed_pnl) == (D("0.4"), D("0.36"), D(40) - D("0.76"))


def test_a_resting_close_adds_up_over_bars():
    scene = Scene(balance="100000")
    scene.market(BUY, "8")
    scene.bar()
    scene.limit(SELL, "8", "101", reduce_only=True)
    scene.bar("100", high="102", volume="500")
    (half,) = scene.engine.closed_pnl(UID)
    scene.bar("100", high="102", volume="500")
    (row,) = scene.engine.closed_pnl(UID)
    assert (half.closed_size, row.closed_size) == (5, 8)
    assert half.created_at == row.created_at < row.updated_at
    assert row.closed_pnl == D(8) - D("0.8") - D("0.1616")


def test_orders_that_open_have_no_row():
    scene = Scene()
    scene.market(BUY, "1")
    scene.bar(funding="0.01")
    assert scene.engine.closed_pnl(UID) == []
    assert scene.position(COIN).size == 1
