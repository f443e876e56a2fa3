"""The larger a position, the less leverage it may have and the more margin must remain."""

from __future__ import annotations

import pickle

import pytest

from alpha.domain.order import OrderStatus
from paper_exchange.engine import Refused
from paper_exchange.engine.risk_tiers import RiskTiers
from tests.unit.engine.scene import BUY, COIN, SELL, UID, D, Scene

# 10,000 at 100x and 0.5 %, 13,000 at 90x and 0.56 %, 16,000 at 80x and 0.63 %, ...
TIERS = RiskTiers.graded(D(100), D(10_000))


DEEP = "100000"
"""A volume of which the first level of the book holds 1,000."""


def scene(balance: str = "100000") -> Scene:
    return Scene(balance=balance, risk_tiers={COIN: TIERS})


def test_tiers_become_wider_and_allow_less_leverage():
    first, second, third = TIERS.all[:3]
    assert (first.id, first.limit, first.max_leverage, first.maintenance_rate, first.deduction) == (
        1, 10_000, 100, D("0.005"), 0,
    )  # fmt: skip
    # 1 / 180 = 0.00556 and 1 / 160 = 0.00625, rounded up
    assert (second.limit, second.max_leverage, second.maintenance_rate) == (13_000, 90, D("0.0056"))
    assert (third.limit, third.max_leverage, third.maintenance_rate) == (16_000, 80, D("0.0063"))
    # 10,000 * 0.0006, and 13,000 * 0.0007 more
    assert (second.deduction, third.deduction) == (6, D("15.1"))
    assert (TIERS.all[-1].id, TIERS.all[-1].limit, TIERS.all[-1].max_leverage) == (10, 1_000_000, 10)


def test_the_maintenance_margin_does_not_jump_at_a_border():
    rates = [tier.maintenance_rate for tier in TIERS.all]
    for tier, after in zip(TIERS.all, TIERS.all[1:], strict=False):
        assert TIERS.of(tier.limit) is tier
        assert TIERS.of(tier.limit + D("0.01")) is after
        assert TIERS.maintenance(tier.limit, rates) == tier.limit * after.maintenance_rate - after.deduction


def test_a_position_is_in_the_tier_of_its_value():
    made = scene()
    made.market(BUY, "150")
    made.bar("100", volume=DEEP)
    position = made.position()
    # 15,000 * (0.0063 + 0.9 * 0.001) - 15.1
    assert (position.tier.id, position.maintenance_margin) == (3, D("92.9"))
    assert made.wallet().maintenance_margin == D("92.9")
    # the mark price alone takes it on
    made.bar("110", volume=DEEP)
    assert made.position().tier.id == 4


@pytest.mark.parametrize(("side", "quantity"), [(BUY, "150"), (SELL, "150"), (BUY, "101"), (SELL, "99")])
def test_it_is_liquidated_at_its_liquidation_price_and_not_a_tick_before(side, quantity):
    """Also where the price carries it into another tier on the way."""
    made = scene("1800")
    made.market(side, quantity)
    made.bar("100", volume=DEEP)
    liq_price = made.position().liq_price
    assert liq_price is not None
    before = liq_price + side.sign * D("0.1")
    made.bar(str(before))
    assert made.position().size == D(quantity)
    made.bar(str(liq_price - side.sign * D("0.1")))
    assert made.position().size == 0


def test_leverage_bounds_what_a_position_may_become():
    made = scene()
    made.engine.set_leverage(UID, COIN, D(90))
    made.market(BUY, "100")
    made.bar("100", volume=DEEP)
    with pytest.raises(Refused, match="13000 USDT") as refused:
        made.market(BUY, "31")
    assert refused.value.code == 110090
    made.limit(BUY, "20", "99")
    made.bar("100", volume=DEEP)
    # 100 held and 20 that rest leave room for 10 at 100
    with pytest.raises(Refused, match="13000 USDT"):
        made.market(BUY, "10.01")
    made.market(BUY, "10")
    # nor is what only closes bounded
    made.market(SELL, "100")


def test_two_orders_of_one_bar_that_fit_alone_do_not_fit_together():
    made = scene()
    made.engine.set_leverage(UID, COIN, D(100))
    first, second = made.market(BUY, "60", link="a"), made.market(BUY, "60", link="b")
    made.bar("100", volume=DEEP)
    statuses = [made.order(order).status for order in (first, second)]
    assert statuses == [OrderStatus.FILLED, OrderStatus.REJECTED]


def test_a_large_position_cannot_have_the_highest_leverage():
    made = scene()
    made.market(BUY, "150")
    made.bar("100", volume=DEEP)
    with pytest.raises(Refused, match=r"\[81\] gt maxLeverage \[80") as refused:
        made.engine.set_leverage(UID, COIN, D(81))
    assert refused.value.code == 110013
    assert made.engine.set_leverage(UID, COIN, D(80)).leverage == 80


def test_tiers_reach_another_process_as_they_are() -> None:
    assert pickle.loads(pickle.dumps(TIERS)) == TIERS
