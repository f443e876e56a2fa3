"""Scripts of faults on a clock that a test moves."""

from __future__ import annotations

from typing import Any

from paper_exchange.faults.schedule import ArmedFault, Schedule
from paper_exchange.faults.script import Script, read_script

ACCOUNTS = ("canary", "shortseller")
PATHS = ("/v5/execution/list", "/v5/order/create", "/v5/position/list")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def script(*faults: dict[str, Any], seed: int = 7) -> Script:
    return read_script({"seed": seed, "faults": list(faults)}, accounts=ACCOUNTS, paths=PATHS)


def armed(clock: Clock, *faults: dict[str, Any], seed: int = 7) -> tuple[Schedule, list[ArmedFault]]:
    schedule = Schedule(clock)
    return schedule, schedule.arm(script(*faults, seed=seed))
