"""Windows, draws and counts."""

from __future__ import annotations

from alpha.domain.ids import AccountName
from paper_exchange.faults.draws import Draws
from paper_exchange.faults.fault import FaultKind
from paper_exchange.faults.gaps import Gaps
from paper_exchange.faults.schedule import FaultState, Schedule
from tests.unit.paper_exchange.scripts import Clock, armed, script

CANARY, OTHER = AccountName("canary"), AccountName("shortseller")
EXECUTIONS = frozenset({"execution.linear"})


def test_a_fault_waits_happens_and_is_over():
    clock = Clock()
    schedule, (fault,) = armed(clock, {"kind": "freeze", "from_s": 2, "for_s": 3})
    seen = []
    for now in (1000.0, 1001.9, 1002.0, 1004.9, 1005.0):
        clock.now = now
        seen.append((fault.state(now), fault in schedule.active(FaultKind.FREEZE, CANARY), schedule.is_quiet))
    assert seen == [
        (FaultState.WAITING, False, False),
        (FaultState.WAITING, False, False),
        (FaultState.ACTIVE, True, False),
        (FaultState.ACTIVE, True, False),
        (FaultState.OVER, False, True),
    ]


def test_a_fault_meets_its_account_only_and_one_without_meets_all():
    schedule, (one, every) = armed(
        Clock(), {"kind": "freeze", "for_s": 3, "account": "canary"}, {"kind": "freeze", "for_s": 3}
    )
    assert list(schedule.active(FaultKind.FREEZE, CANARY)) == [one, every]
    assert list(schedule.active(FaultKind.FREEZE, OTHER)) == [every]
    # a request that is nobody's yet
    assert list(schedule.active(FaultKind.FREEZE, None)) == [every]
    assert list(schedule.active(FaultKind.DEAF, CANARY)) == []


def test_all_end_at_once_when_told_to():
    clock = Clock()
    schedule, (active, waiting) = armed(
        clock, {"kind": "freeze", "for_s": 30}, {"kind": "deaf", "from_s": 10, "for_s": 30}
    )
    assert schedule.end_all() == [active]
    assert schedule.is_quiet
    clock.now += 15
    assert [fault.state(clock.now) for fault in (active, waiting)] == [FaultState.OVER, FaultState.OVER]


def test_the_report_has_every_fault_and_the_sums_by_kind():
    clock = Clock()
    schedule, (one, two) = armed(
        clock, {"kind": "freeze", "for_s": 3, "account": "canary"}, {"kind": "freeze", "from_s": 1, "for_s": 3}
    )
    (late,) = schedule.arm(script({"kind": "drop", "for_s": 0}))
    one.count(5)
    two.count(1)
    two.count(1)
    assert schedule.report() == {
        "faults": [
            {"id": 1, "kind": "freeze", "account": "canary", "state": "active", "injected": 1, "hit": 5},
            {"id": 2, "kind": "freeze", "account": None, "state": "waiting", "injected": 2, "hit": 2},
            {"id": late.id, "kind": "drop", "account": None, "state": "over", "injected": 0, "hit": 0},
        ],
        "totals": {"freeze": {"injected": 3, "hit": 7}, "drop": {"injected": 0, "hit": 0}},
    }


def test_draws_depend_on_seed_place_and_subject_and_not_on_when():
    first, again = Draws(7, 0), Draws(7, 0)
    backwards = [again.fraction("a", number) for number in reversed(range(100))]
    assert [first.fraction("a", number) for number in range(100)] == backwards[::-1]
    numbers = {draws.fraction("a", 1) for draws in (first, Draws(7, 1), Draws(8, 0))} | {first.fraction("b", 1)}
    assert len(numbers) == 4
    assert all(0 <= number < 1 for number in backwards)


def test_a_probability_is_met_roughly_and_by_the_same_subjects():
    schedule = Schedule(Clock())
    one, two = schedule.arm(script(*[{"kind": "withhold", "for_s": 1, "probability": 0.3}] * 2))
    (same,) = schedule.arm(script({"kind": "withhold", "for_s": 1, "probability": 0.3}))
    met = [{number for number in range(1000) if fault.happens(number)} for fault in (one, two, same)]
    assert 240 < len(met[0]) < 360
    assert met[0] != met[1]
    assert met[0] == met[2]


def test_what_is_asked_again_is_drawn_again():
    _, (fault,) = armed(Clock(), {"kind": "withhold", "for_s": 1, "probability": 0.5})
    _, (twin,) = armed(Clock(), {"kind": "withhold", "for_s": 1, "probability": 0.5})
    answers = [fault.happens_next("path") for _ in range(50)]
    assert 0 < sum(answers) < 50
    assert [twin.happens_next("path") for _ in range(50)] == answers


def test_a_gap_counts_until_somebody_listens_in_its_place():
    gaps = Gaps()
    _, (fault,) = armed(Clock(), {"kind": "drop", "for_s": 1})
    gaps.opened(fault, CANARY, EXECUTIONS)
    gaps.opened(fault, CANARY, EXECUTIONS)
    gaps.missed(CANARY, "execution", 3, now=1000.0)
    gaps.missed(CANARY, "wallet", 1, now=1000.0)
    gaps.missed(OTHER, "execution", 1, now=1000.0)
    assert fault.hit == 6
    gaps.closed(OTHER)
    gaps.closed(CANARY)
    gaps.missed(CANARY, "execution", 1, now=1000.0)
    assert fault.hit == 7
    gaps.closed(CANARY)
    gaps.missed(CANARY, "execution", 1, now=1000.0)
    assert fault.hit == 7


def test_a_gap_is_not_counted_for_ever():
    gaps = Gaps()
    _, (fault,) = armed(Clock(), {"kind": "drop", "for_s": 1})
    gaps.opened(fault, CANARY, EXECUTIONS)
    gaps.missed(CANARY, "execution", 1, now=fault.ends_at + 59)
    gaps.missed(CANARY, "execution", 1, now=fault.ends_at + 60)
    assert fault.hit == 1
