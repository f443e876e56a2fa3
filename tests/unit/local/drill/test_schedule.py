"""A plan is its seed's alone, and shows every kind of fault."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.local.drill.kinds import REST_KINDS, Kind, Lane
from alpha.local.drill.options import DEFAULT_ACCOUNTS, DEFAULT_FILLS
from alpha.local.drill.schedule import FILLS_PER_ROUND, again, drops_at, make_plan
from paper_exchange.faults.script import read_script

seeds = st.integers(min_value=0, max_value=1_000_000)
accounts = st.integers(min_value=1, max_value=8)


@given(seed=seeds, accounts=accounts)
def test_the_same_seed_makes_the_same_plan(seed: int, accounts: int) -> None:
    assert make_plan(seed=seed, fills=2_000, accounts=accounts) == make_plan(seed=seed, fills=2_000, accounts=accounts)


def test_another_seed_makes_another_plan() -> None:
    assert make_plan(seed=1, fills=2_000, accounts=3) != make_plan(seed=2, fills=2_000, accounts=3)


@given(seed=seeds)
def test_every_kind_occurs_in_a_drill_of_the_default_size(seed: int) -> None:
    plan = make_plan(seed=seed, fills=DEFAULT_FILLS, accounts=DEFAULT_ACCOUNTS)
    assert Counter(injection.kind for injection in plan.injections) == dict.fromkeys(Kind, 1)


def test_more_fills_meet_every_kind_more_often() -> None:
    plan = make_plan(seed=1, fills=4 * FILLS_PER_ROUND, accounts=5)
    assert set(Counter(injection.kind for injection in plan.injections).values()) == {4}


@given(seed=seeds, fills=st.integers(min_value=100, max_value=20_000))
def test_every_fault_has_fills_to_meet_however_few_are_asked_for(seed: int, fills: int) -> None:
    plan = make_plan(seed=seed, fills=fills, accounts=3)
    in_bursts = sum(injection.burst for injection in plan.injections)
    assert plan.fills_per_s >= 20
    assert in_bursts + plan.fills_per_s * plan.duration_s >= fills - 1
    # of as many as are usual no more are made than were asked for
    if fills >= 3_000:
        assert in_bursts + plan.fills_per_s * plan.duration_s <= fills + 1


@given(seed=seeds, accounts=accounts)
def test_a_lane_has_one_fault_at_a_time_and_no_lane_has_one_while_everything_is_dead(seed: int, accounts: int) -> None:
    plan = make_plan(seed=seed, fills=2_000, accounts=accounts)
    lanes = defaultdict(list)
    for each in plan.injections:
        lanes[each.kind.lane].append(each)
    assert set(lanes) == set(Lane)
    for lane in lanes.values():
        assert all(first.end_s <= second.at_s for first, second in pairwise(lane))
    (dead,) = (each for each in plan.injections if each.kind is Kind.KILL_EVERYTHING)
    assert all(each.end_s <= dead.at_s or each.at_s >= dead.end_s + 5 for each in plan.injections if each is not dead)
    assert plan.duration_s > max(each.end_s for each in plan.injections)


@given(seed=seeds)
def test_no_fault_of_rest_comes_while_a_listener_that_was_refused_asks_nothing(seed: int) -> None:
    plan = make_plan(seed=seed, fills=2_000, accounts=2)
    of_exchange = [each for each in plan.injections if each.kind.lane is Lane.EXCHANGE]
    for first, second in pairwise(of_exchange):
        if first.kind is Kind.RATE_LIMIT and second.kind in REST_KINDS:
            assert second.at_s >= first.end_s + 4.99


@given(seed=seeds)
def test_limits_and_skews_are_such_that_somebody_is_refused(seed: int) -> None:
    plan = make_plan(seed=seed, fills=2_000, accounts=1, kinds=[Kind.RATE_LIMIT, Kind.CLOCK_SKEW])
    details = {each.kind: each.details for each in plan.injections}
    # a recovery asks for time, executions, positions, orders and the wallet
    assert details[Kind.RATE_LIMIT]["ip_limit"] <= 6
    # Bybit takes a time stamp from 5 s before its clock to 1 s after it
    assert abs(details[Kind.CLOCK_SKEW]["by_s"]) > 5


@given(seed=seeds)
def test_bursts_leave_fills_for_the_steady_load(seed: int) -> None:
    plan = make_plan(seed=seed, fills=2_000, accounts=2)
    assert all(each.burst > 0 for each in plan.injections)
    assert sum(each.burst for each in plan.injections) < plan.fills


def test_a_subset_of_kinds_is_all_there_is() -> None:
    plan = make_plan(seed=3, fills=500, accounts=2, kinds=[Kind.DROP, Kind.KILL_LEADER])
    assert plan.kinds == {Kind.DROP, Kind.KILL_LEADER}


@given(seed=seeds)
def test_the_exchange_takes_what_is_planned(seed: int) -> None:
    names = ["drill_1", "drill_2", "drill_3"]
    for each in make_plan(seed=seed, fills=2_000, accounts=3).injections:
        if each.kind.lane is Lane.EXCHANGE:
            whole = each.kind in (Kind.CLOCK_SKEW, Kind.MAINTENANCE)
            to_whom = {} if whole else {"account": None if each.account is None else names[each.account]}
            fault = {"kind": each.kind.value, "from_s": 0.0, "for_s": each.for_s, **to_whom, **each.details}
            read_script({"seed": each.seed, "faults": [fault]}, accounts=names, paths=[])


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_says_what_it_is_and_what_it_hits(kind: Kind) -> None:
    assert kind.meaning
    assert kind.hits


def test_a_fault_that_is_tried_again_is_the_same_for_all_accounts_and_with_a_burst() -> None:
    first = make_plan(seed=4, fills=100, accounts=3, kinds=[Kind.WITHHOLD]).injections[0]
    second, third = again(first, 1), again(first, 2)
    assert (second.kind, second.seed, second.details, second.account) == (first.kind, first.seed, first.details, None)
    assert second.burst >= 20
    assert (second.at_s, second.for_s, third.for_s) == (0.0, first.for_s * 2, first.for_s * 4)


def test_a_lag_that_is_tried_again_is_as_long_as_the_listener_must_bear() -> None:
    first = make_plan(seed=4, fills=100, accounts=3, kinds=[Kind.REST_LAG]).injections[0]
    assert first.details["by_s"] < 0.4
    assert again(first, 1).details == {"by_s": 0.4}


@given(seed=seeds)
def test_a_fault_of_rest_has_one_drop_and_a_long_one_more(seed: int) -> None:
    first = make_plan(seed=seed, fills=100, accounts=3, kinds=[Kind.REST_LAG]).injections[0]
    assert drops_at(first.for_s) == (first.for_s * 0.2,)
    last = again(first, 3)
    drops = drops_at(last.for_s)
    assert len(drops) >= 3
    assert 0 < drops[0] < drops[-1] < last.for_s
