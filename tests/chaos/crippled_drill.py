"""A drill of listeners that lack a guard: `python -m tests.chaos.crippled_drill GUARD` prints its report as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass

from rich.console import Console

from alpha.ledger.connection import Dsn, connect, transaction
from alpha.local.drill.command import drill
from alpha.local.drill.kinds import Kind
from alpha.local.drill.options import DrillOptions
from alpha.service.shutdown import StopSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Crippled:
    """The faults that show that a guard is missing. `settle_s`: what whole listeners need, where fills will be missing;
    a fill that should not be there is there at once. `told_by`: the difference that names it."""

    kinds: frozenset[Kind]
    told_by: str
    settle_s: float
    fills: int = 250
    seed: int = 3


DRILLS = {
    "recovery": Crippled(
        kinds=frozenset({Kind.DROP, Kind.WITHHOLD, Kind.KILL_LISTENERS}), told_by="fills lost", settle_s=6
    ),
    "overlap": Crippled(kinds=frozenset({Kind.WITHHOLD, Kind.DELAY}), told_by="fills lost", settle_s=6),
    "deduplication": Crippled(kinds=frozenset({Kind.DUPLICATE, Kind.DROP}), told_by="fills doubled", settle_s=1),
    # With this seed the stop comes first and lasts for four seconds, so that also on a busy machine the other listener
    # has taken over by its end, and the one that was stopped has time to go on.
    "fencing": Crippled(
        kinds=frozenset({Kind.STOP_LEADER, Kind.REDIS_FLUSH, Kind.REDIS_RESTART}),
        told_by="epoch falls",
        settle_s=1,
        fills=400,
    ),
}


def without_unique_index(owner: Dsn) -> None:
    """What would refuse a second row of an execution whatever the listener does."""
    with closing(connect(owner, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("ALTER TABLE trading.fills DROP CONSTRAINT fills_pkey")


def main(guard: str) -> int:
    """Exit code of the drill."""
    crippled = DRILLS[guard]
    options = DrillOptions(
        seed=crippled.seed,
        fills=crippled.fills,
        accounts=2,
        kinds=crippled.kinds,
        pause_s=(0.05, 0.4),
        listener_command=(sys.executable, "-m", "tests.chaos.crippled_listener", guard),
        prepare=without_unique_index if guard == "deduplication" else lambda _: None,
        settle_s=crippled.settle_s,
    )
    report = drill(options, StopSignal().install(), Console(stderr=True))
    print(json.dumps(report.to_json()))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
