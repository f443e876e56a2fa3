from __future__ import annotations

import pytest

from paper_exchange.engine import OrderBook, Refused
from tests.unit.engine.scene import BUY, COIN, SELL, D, Scene


def sides(book: OrderBook) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    bids, asks = ([(str(price), str(quantity)) for price, quantity in side] for side in (book.bids, book.asks))
    return bids, asks


def test_it_shows_what_a_market_order_can_have():
    scene = Scene()
    scene.bar("100")
    book = scene.engine.order_book(COIN)
    # without a spread both sides begin at the price; the offers stand back by a tick so that the book is not locked
    assert sides(book) == (
        [("100.0", "10.00"), ("99.9", "10.00"), ("99.8", "10.00")],
        [("100.1", "20.00"), ("100.2", "10.00")],
    )


def test_resting_orders_of_all_accounts_stand_in_it():
    scene = Scene(uids=(1001, 2))
    scene.limit(BUY, "2", "99.9")
    scene.limit(BUY, "3", "99.5", uid=2)
    scene.limit(SELL, "1", "103", uid=2)
    scene.bar("100")
    bids, asks = sides(scene.engine.order_book(COIN))
    assert ("99.9", "12.00") in bids
    assert bids[-1] == ("99.5", "3")
    assert asks[-1] == ("103", "1")
    assert len(scene.engine.order_book(COIN, 1).bids) == len(scene.engine.order_book(COIN, 1).asks) == 1


def test_it_never_shows_a_crossed_book():
    # two accounts whose orders have taken all there is up to their limits, and stand against each other
    scene = Scene(balance="100000", uids=(1001, 2))
    scene.limit(BUY, "200", "100.5")
    scene.limit(SELL, "200", "99.5", uid=2)
    scene.bar("100")
    book = scene.engine.order_book(COIN)
    assert D(100) == book.bids[0].price < book.asks[0].price
    assert book.bids[0].quantity > D(100)
    assert book.asks[0].quantity > D(100)


def test_its_numbers_never_fall():
    scene = Scene()
    before = scene.engine.order_book(COIN)
    scene.market(BUY, "1")
    scene.bar("100")
    after = scene.engine.order_book(COIN)
    assert (after.update_id > before.update_id, after.seq > before.seq) == (True, True)


def test_the_price_limits_are_those_that_orders_are_held_against():
    scene = Scene()
    # mark 100, index 100: min(102, max(100, 101)) and max(98, min(100, 99))
    assert scene.engine.price_limits(COIN) == (D(101), D(99))
    scene.limit(BUY, "1", "101")
    with pytest.raises(Refused):
        scene.limit(BUY, "1", "101.1")
    # mark 98, last 100: X gives 98.98 + the premium of 2, Y allows 99.96
    scene.bar("100", mark="98", index="98")
    assert scene.engine.price_limits(COIN) == (D("99.9"), D("97.1"))


@pytest.mark.parametrize(
    ("kind", "tolerance", "prices"),
    [("TickSize", "1", ["100.0", "100.1"]), ("Percent", "0.05", ["100.0"]), ("", None, ["100.0", "100.1", "100.2"])],
)
def test_a_slippage_tolerance_bounds_a_market_order(kind, tolerance, prices):
    scene = Scene(balance="10000")
    fields = {} if tolerance is None else {"slippage_tolerance": tolerance, "slippage_tolerance_type": kind}
    scene.place(BUY, "30", **fields)
    scene.bar("100")
    assert [str(fill.price) for fill in scene.executions()] == prices
