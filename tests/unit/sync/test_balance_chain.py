from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sync.books import MONDAY, entry
from trade_sync_service.balance_chain import jumps

USDT = {"USDT": Decimal(1000)}


def test_balances_that_follow_from_one_another_are_no_jump() -> None:
    assert jumps([entry(1, "-5", "995"), entry(2, "-5", "990"), entry(3, "20", "1010")], USDT) == []


def test_without_a_balance_from_before_the_first_entry_is_believed() -> None:
    assert jumps([entry(1, "-5", "37"), entry(2, "1", "38")], {}) == []


def test_what_came_without_an_entry_is_named_once() -> None:
    # given 1000, then -5 makes 995; 50,000 come from nowhere; then -5 again
    found = jumps([entry(1, "-5", "995"), entry(2, "-5", "50990"), entry(3, "-5", "50985")], USDT)
    assert [(jump.expected, jump.after, jump.unexplained) for jump in found] == [
        (Decimal(990), Decimal(50990), Decimal(50000))
    ]
    assert (found[0].since, found[0].at) == (MONDAY + timedelta(minutes=1), MONDAY + timedelta(minutes=2))


def test_an_entry_that_is_missing_shows_as_its_change() -> None:
    (jump,) = jumps([entry(1, "-5", "995"), entry(3, "-5", "983")], USDT)
    assert jump.unexplained == Decimal(-7)


def test_every_currency_has_a_balance_of_its_own() -> None:
    entries = [entry(1, "-5", "995"), entry(2, "1", "3", currency="BTC"), entry(3, "-5", "990")]
    assert jumps(entries, USDT | {"BTC": Decimal(2)}) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), max_size=20), st.randoms())
def test_entries_of_one_instant_may_come_in_any_order(moves: list[tuple[int, int]], shuffler: random.Random) -> None:
    balance = Decimal(1000)
    entries = []
    for number, (minute, change) in enumerate(sorted(moves, key=lambda move: move[0])):
        balance += change
        entries.append(entry(minute, str(change), str(balance), log_id=f"log-{number}"))
    shuffled = list(entries)
    shuffler.shuffle(shuffled)
    assert jumps(sorted(shuffled, key=lambda each: each.at), USDT) == []
