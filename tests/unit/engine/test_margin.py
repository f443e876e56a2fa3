from __future__ import annotations

from paper_exchange.engine import margin
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, D, Scene


def test_margin_of_the_documented_position():
    # 0.003 BTC at 100,000, leverage 10, taker 0.055 %: 300 / 10 + 300 * (1 - 1/10) * 0.00055 = 30 + 0.1485
    assert D(300) * margin.initial_margin_rate(1, D(10), D("0.00055")) == D("30.1485")
    # 300 * 0.005 + 0.1485
    assert D(300) * margin.maintenance_margin_rate(1, D(10), D("0.00055"), D("0.005")) == D("1.6485")


def test_order_cost_is_margin_and_both_fees_and_dearer_for_a_sell():
    # 1,000 at leverage 10: 100 + 1 to open + 1000 * 0.9 * 0.001 to close
    assert D(1000) * margin.order_cost_rate(1, D(10), D("0.001")) == D("101.9")
    assert D(1000) * margin.order_cost_rate(-1, D(10), D("0.001")) == D("102.1")


def test_the_maintenance_rate_is_half_the_least_initial_margin():
    assert margin.maintenance_rate(D(100)) == D("0.005")
    assert margin.maintenance_rate(D(50)) == D("0.01")


def test_wallet_of_a_position_and_a_resting_order():
    scene = Scene()
    scene.market(BUY, "10")
    scene.limit(BUY, "5", "98", symbol=OTHER)
    scene.engine.step({"COINUSDT": scene.make_bar("100"), OTHER: scene.make_bar("100", symbol=OTHER)})  # type: ignore[dict-item]
    scene.bar("102")
    wallet = scene.wallet()
    # 1000 - 10 * 100 * 0.001 = 999; (102 - 100) * 10 = 20
    assert (wallet.balance, wallet.unrealized_pnl, wallet.equity) == (D(999), D(20), D(1019))
    # 1020 / 10 + 1020 * 0.9 * 0.001 = 102.918
    assert wallet.position_margin == D("102.918")
    # 490 / 10 + 490 * 0.001 + 490 * 0.9 * 0.001 = 49.931
    assert wallet.order_margin == D("49.931")
    assert wallet.available == D("1019") - D("102.918") - D("49.931")
    # 1020 * 0.005 + 0.918
    assert wallet.maintenance_margin == D("6.018")


def test_orders_against_the_position_cost_only_what_exceeds_it():
    scene = Scene()
    scene.market(BUY, "10")
    scene.bar("100")
    scene.limit(SELL, "10", "105")
    assert scene.wallet().order_margin == 0
    scene.limit(SELL, "10", "105")
    # 20 against 10: half of 2100 * (0.1 + 0.001 + 1.1 * 0.001)
    assert scene.wallet().order_margin == D("107.205")


def test_the_liquidation_price_is_where_equity_meets_maintenance():
    # 10 long at 100 with equity 50: 50 + 10 (p - 100) = 10 p * 0.0059 -> p = 950 / (10 - 0.059) = 95.5638...
    price = margin.liquidation_price(D(10), D(100), D(50), D(0), D("0.0059"), D(0))
    assert abs(price - D("95.5638")) < D("0.0001")
    # short: 50 - 10 (p - 100) = 10 p * 0.0061 -> p = 1050 / 10.061
    short = margin.liquidation_price(D(-10), D(100), D(50), D(0), D("0.0061"), D(0))
    assert abs(short - D("104.3634")) < D("0.0001")
    # more behind it than it is worth: no price does it
    assert margin.liquidation_price(D(1), D(100), D(500), D(0), D("0.0059"), D(0)) < 0


def test_break_even_covers_both_fees():
    scene = Scene()
    scene.market(BUY, "10")
    scene.bar("100")
    # (100 * 10 + 1) / (10 - 10 * 0.001) = 1001 / 9.99 = 100.2002
    assert scene.position().break_even_price == D("100.2")


def test_a_loss_that_was_realized_may_exceed_the_balance_while_profits_stand_behind_it():
    # given a long and a short of 10 each on 300, at cross margin, and a fall from 100 to 60
    scene = Scene(balance="300")
    scene.market(BUY, "10")
    scene.market(SELL, "10", symbol=OTHER)
    for price in ("100", "90", "80", "70", "60"):
        scene.engine.step({symbol: scene.make_bar(price, symbol=symbol) for symbol in (COIN, OTHER)})
    # when the long that lost is closed
    scene.market(SELL, "10", reduce_only=True)
    scene.bar("60")
    # then 300 less fees of 1, 1 and 0.6 less 400: what the short has gained carries it, and pays when it is closed
    wallet = scene.wallet()
    assert (wallet.balance, wallet.equity, wallet.borrowed) == (D("-102.6"), D("297.4"), D("102.6"))
    scene.market(BUY, "10", symbol=OTHER, reduce_only=True)
    scene.bar("60", symbol=OTHER)
    assert (scene.wallet().balance, scene.wallet().borrowed) == (D("296.8"), D(0))
