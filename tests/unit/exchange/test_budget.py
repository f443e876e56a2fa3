"""What may be sent when: against every window there is, for any mixture of callers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName
from alpha.exchange.budget import ADDRESS_LIMIT, Call, KnownLimits, Limit, LocalBudget, Purpose, Scope, SlidingWindow

MAIN, OTHER = AccountName("main"), AccountName("other")
SHARES = {Purpose.EXIT: 0.3, Purpose.BACKGROUND: 0.2}


def a_scope(requests: int = 10, window_s: float = 1.0) -> Scope:
    return Scope("host:main:/v5/order/create", Limit(requests, window_s), SHARES)


def a_call(
    purpose: Purpose = Purpose.ORDINARY,
    *,
    path: str = "/v5/order/create",
    account: AccountName | None = MAIN,
    changes: bool = True,
) -> Call:
    return Call("api.example.com", path, account, purpose, changes)


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@given(
    requests=st.integers(min_value=1, max_value=30),
    attempts=st.lists(
        st.tuples(st.sampled_from(list(Purpose)), st.floats(min_value=0, max_value=0.3)), min_size=1, max_size=200
    ),
)
def test_no_window_holds_more_than_the_limit_and_a_kept_share_is_always_there(
    requests: int, attempts: list[tuple[Purpose, float]]
) -> None:
    window = SlidingWindow(a_scope(requests))
    reserved = window.scope.reserved
    passed: list[tuple[float, Purpose]] = []
    at_s = 0.0
    for purpose, pause_s in attempts:
        at_s += pause_s
        recent = Counter(one for then_s, one in passed if then_s > at_s - 1.0)
        wait_s = window.wait_s(purpose, at_s)
        if recent[purpose] < reserved[purpose]:
            assert wait_s == 0.0
        if wait_s == 0.0:
            window.count(purpose, at_s)
            passed.append((at_s, purpose))
    for began_s, _ in passed:
        assert sum(1 for then_s, _ in passed if began_s <= then_s < began_s + 1.0) <= requests


@given(st.lists(st.sampled_from(list(Purpose)), min_size=3, max_size=40))
def test_whoever_waits_as_told_gets_through(waiting: list[Purpose]) -> None:
    window = SlidingWindow(a_scope())
    at_s, left = 0.0, list(waiting)
    for _ in range(400):
        waits = []
        for purpose in list(left):
            wait_s = window.wait_s(purpose, at_s)
            if wait_s == 0.0:
                window.count(purpose, at_s)
                left.remove(purpose)
            else:
                waits.append(wait_s)
        if not left:
            break
        at_s += min(waits)
    assert left == []
    # at most ten a second, of which every other purpose's share may stay unused
    assert at_s <= len(waiting) / (10 - 5) + 1


def test_entries_cannot_use_up_what_is_kept_for_exits() -> None:
    budget = LocalBudget(address_share=1.0, path_share=1.0, clock=Clock())
    entries = [budget.take(a_call()) == 0.0 for _ in range(20)]
    exits = [budget.take(a_call(Purpose.EXIT)) == 0.0 for _ in range(20)]
    assert sum(entries) == 6  # 9 a second with the margin, 3 of them kept
    assert sum(exits) == 3


def test_recovery_leaves_a_path_room_for_questions_of_now() -> None:
    budget = LocalBudget(address_share=1.0, path_share=1.0, clock=Clock())
    path = "/v5/execution/list"
    recovery = [budget.take(a_call(Purpose.BACKGROUND, path=path, changes=False)) == 0.0 for _ in range(60)]
    questions = [budget.take(a_call(path=path, changes=False)) == 0.0 for _ in range(60)]
    assert (sum(recovery), sum(questions)) == (42, 5)


def test_recovery_of_many_accounts_leaves_the_address_room_for_bots() -> None:
    budget = LocalBudget(address_share=1.0, path_share=1.0, clock=Clock())
    accounts = [AccountName(f"account-{n}") for n in range(30)]
    passed = Counter(
        call.purpose
        for purpose in (Purpose.BACKGROUND, Purpose.ORDINARY, Purpose.EXIT)
        for account in accounts
        for n in range(40)
        if budget.take(call := a_call(purpose, path=f"/v5/{purpose}/{n // 5}", account=account)) == 0.0
    )
    assert passed == {Purpose.BACKGROUND: 342, Purpose.ORDINARY: 114, Purpose.EXIT: 114}
    assert sum(passed.values()) == ADDRESS_LIMIT.with_margin.requests


def test_market_data_count_against_the_address_only() -> None:
    call = a_call(path="/v5/market/kline", account=None, changes=False)
    assert [scope.limit for scope in KnownLimits().scopes(call)] == [ADDRESS_LIMIT.with_margin]


def test_accounts_and_paths_have_limits_of_their_own() -> None:
    budget = LocalBudget(address_share=1.0, path_share=1.0, clock=Clock())
    while budget.take(a_call()) == 0.0:
        pass
    assert budget.take(a_call(account=OTHER)) == 0.0
    assert budget.take(a_call(path="/v5/order/amend")) == 0.0


def test_the_exchanges_word_on_a_limit_counts() -> None:
    budget = LocalBudget(address_share=1.0, path_share=1.0, clock=Clock())
    budget.told(a_call(), 40)
    assert sum(budget.take(a_call()) == 0.0 for _ in range(60)) == 38 - 12
    for nonsense in (0, -1, 10**9):
        budget.told(a_call(account=OTHER), nonsense)
    assert sum(budget.take(a_call(account=OTHER)) == 0.0 for _ in range(60)) == 6


def test_after_a_refusal_the_path_rests_as_long_as_told() -> None:
    clock = Clock()
    budget = LocalBudget(clock=clock)
    budget.pause(a_call(), 2.0, whole_address=False)
    budget.pause(a_call(), 0.5, whole_address=False)
    assert budget.take(a_call(Purpose.EXIT)) == pytest.approx(2.0)
    assert budget.take(a_call(path="/v5/order/amend")) == 0.0
    clock.s += 2.0
    assert budget.take(a_call()) == 0.0


def test_after_a_refusal_of_the_address_everything_rests() -> None:
    clock = Clock()
    budget = LocalBudget(clock=clock)
    budget.pause(a_call(), 600.0, whole_address=True)
    assert budget.take(a_call(account=OTHER, path="/v5/order/cancel")) == pytest.approx(600.0)
    assert budget.take(a_call(account=None, path="/v5/market/time")) == pytest.approx(600.0)
    clock.s += 600.0
    assert budget.take(a_call()) == 0.0


def test_processes_that_know_nothing_of_each_other_stay_below_the_limit_together() -> None:
    clock = Clock()
    processes = [LocalBudget(clock=clock) for _ in range(4)]
    passed = sum(process.take(a_call(Purpose.EXIT)) == 0.0 for process in processes for _ in range(20))
    assert 4 <= passed <= 10


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValue):
        Limit(0, 1.0)
