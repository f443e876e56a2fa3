"""The load of a drill: the same for the same seed, and of every kind that an account can be dealt."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.config.registry import Registry
from alpha.domain.ids import AccountName
from alpha.domain.order_link_id import OrderLinkId, is_valid_order_link_id
from alpha.domain.reason import Reason
from alpha.local.drill.cast import MOST_ACCOUNTS, owners, write_registry
from alpha.local.drill.orders import DrillOrder, OrderSource


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return write_registry(tmp_path / "bots.yaml", 3)


def made(registry: Registry, seed: int, count: int = 2_000) -> list[DrillOrder]:
    source = OrderSource(registry, seed)
    return [source.next() for _ in range(count)]


def test_the_same_seed_makes_the_same_orders(registry: Registry) -> None:
    assert made(registry, 5) == made(registry, 5)
    assert made(registry, 5) != made(registry, 6)


def test_every_bot_trades_only_what_is_its_own(registry: Registry) -> None:
    whose = owners(registry)
    orders = made(registry, 1)
    assert {order.bot for order in orders} == set(registry.bots)
    assert all(whose[(order.account, order.symbol)] == order.bot for order in orders)
    assert all(order.account == "drill_2" for order in (OrderSource(registry, 1).next(AccountName("drill_2")),))


def test_positions_open_grow_shrink_close_and_flip_and_stay_within_bounds(registry: Registry) -> None:
    held: Counter[tuple[str, str]] = Counter()
    seen = set()
    for order in made(registry, 2, 5_000):
        key = (order.account, order.symbol)
        before, change = Decimal(held[key]), order.side.sign * order.quantity
        after = before + change
        if before == 0:
            seen.add("open")
        elif after == 0:
            seen.add("close")
        elif before * after < 0:
            seen.add("flip")
        else:
            seen.add("grow" if abs(after) > abs(before) else "shrink")
        held[key] = after  # type: ignore[assignment]
        assert abs(after) * {"BTCUSDT": 96_000, "ETHUSDT": 3_300, "SOLUSDT": 185, "XRPUSDT": 2}[order.symbol] < 10**7
    assert seen == {"open", "close", "flip", "grow", "shrink"}


def test_tags_are_ours_or_a_persons_and_only_lone_bots_have_the_latter(registry: Registry) -> None:
    orders = made(registry, 3)
    by_hand = [order for order in orders if order.reason is Reason.MANUAL]
    assert {order.account for order in by_hand} == {"drill_2", "drill_3"}
    assert "" in {order.order_link_id for order in by_hand}
    assert all(OrderLinkId.parse(order.order_link_id) is None for order in by_hand)
    tagged = [order for order in orders if order.reason is not Reason.MANUAL]
    assert len({order.order_link_id for order in tagged}) == len(tagged)
    for order in tagged:
        tag = OrderLinkId.parse(order.order_link_id)
        assert tag is not None
        assert (tag.code, tag.reason) == (registry.bot(order.bot).code, order.reason)
        assert is_valid_order_link_id(order.order_link_id)


@pytest.mark.parametrize("accounts", [1, 2, MOST_ACCOUNTS])
def test_any_number_of_accounts_makes_a_registry_that_is_accepted(tmp_path: Path, accounts: int) -> None:
    registry = write_registry(tmp_path / "bots.yaml", accounts)
    assert len(registry.accounts) == accounts
    assert len(registry.bots_on(AccountName("drill_1"))) == 2
