"""What Bybit's self-match prevention would prevent cannot happen: orders meet the book, and never one another."""

from __future__ import annotations

from tests.unit.engine.scene import BUY, SELL, UID, D, Scene


def test_an_order_goes_through_the_price_of_the_accounts_own_resting_one_and_leaves_it_alone():
    # given a sell at 100.1, where the book has 10 as well, and 10 at 100 before it
    scene = Scene(balance="100000")
    resting = scene.limit(SELL, "3", "100.1")
    scene.bar("100")
    # when the same account buys through that price
    taking = scene.market(BUY, "20")
    scene.bar("100")
    # then it has the book's 20, the same as without the order that rests, and that one is as it was
    fills = [(fill.price, fill.quantity) for fill in scene.engine.executions(UID)]
    assert fills == [(D("100.0"), D(10)), (D("100.1"), D(10))]
    assert scene.order(taking).leaves_quantity == 0
    assert (scene.order(resting).status, scene.order(resting).leaves_quantity) == (resting.status, 3)


def test_two_resting_orders_of_one_account_on_either_side_are_filled_by_the_market_and_not_by_each_other():
    scene = Scene(balance="100000")
    scene.limit(BUY, "5", "99.5")
    scene.limit(SELL, "5", "99.6")
    scene.bar("99.7", high="99.8", low="99.4", close="99.5")
    fills = sorted((fill.side, fill.price) for fill in scene.engine.executions(UID))
    # the sell below the price is taken at the open, the buy when the price has gone through it
    assert fills == [("Buy", D("99.5")), ("Sell", D("99.7"))]
