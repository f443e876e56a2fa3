"""Which executions are not listed yet."""

from __future__ import annotations

from dataclasses import replace

from alpha.domain.ids import AccountName, ExecId
from paper_exchange.engine import Execution
from paper_exchange.faults.lag import ExecutionLag
from tests.unit.engine.scene import BUY, Scene
from tests.unit.paper_exchange.scripts import Clock, armed

CANARY, OTHER = AccountName("canary"), AccountName("shortseller")


def execution(number: int) -> Execution:
    scene = Scene()
    scene.market(BUY, "1")
    scene.bar()
    return replace(scene.executions()[0], exec_id=ExecId(f"execution-{number}"))


FIRST, SECOND, THIRD = (execution(number) for number in range(3))


def listed(lag: ExecutionLag, account: AccountName = CANARY) -> list[Execution]:
    return list(filter(lag.listed(account), (FIRST, SECOND, THIRD)))


def test_an_execution_is_listed_when_its_lag_has_passed():
    clock = Clock()
    schedule, (fault,) = armed(clock, {"kind": "rest_lag", "for_s": 60, "by_s": 2})
    lag = ExecutionLag(schedule)
    # the first was made before anything was armed
    lag.made(CANARY, [SECOND.exec_id])
    clock.now += 1
    lag.made(CANARY, [THIRD.exec_id])
    assert listed(lag) == [FIRST]
    assert listed(lag, OTHER) == [FIRST, SECOND, THIRD]
    clock.now += 1
    assert listed(lag) == [FIRST, SECOND]
    clock.now += 1
    assert listed(lag) == [FIRST, SECOND, THIRD]
    # two answers had something missing, however much it was
    assert (fault.injected, fault.hit) == (2, 2)


def test_what_waits_for_its_window_remembers_what_was_made_before_it():
    clock = Clock()
    schedule, _ = armed(clock, {"kind": "rest_lag", "from_s": 1, "for_s": 5, "by_s": 3})
    lag = ExecutionLag(schedule)
    lag.made(CANARY, [SECOND.exec_id])
    assert listed(lag) == [FIRST, SECOND, THIRD]
    clock.now += 1
    assert listed(lag) == [FIRST, THIRD]
    clock.now += 5
    assert listed(lag) == [FIRST, SECOND, THIRD]


def test_a_short_lag_does_not_last_as_long_as_a_long_one_of_others():
    clock = Clock()
    schedule, _ = armed(
        clock,
        {"kind": "rest_lag", "for_s": 60, "by_s": 1},
        {"kind": "rest_lag", "for_s": 60, "by_s": 9, "probability": 1e-9},
    )
    lag = ExecutionLag(schedule)
    lag.made(CANARY, [SECOND.exec_id, THIRD.exec_id])
    assert listed(lag) == [FIRST]
    clock.now += 1
    assert listed(lag) == [FIRST, SECOND, THIRD]
