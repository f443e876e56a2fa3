"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from alpha.compiled import compiled_modules
from alpha.ledger.connection import connect, transaction
from benchmarks.bare_insert import BareInsert, make_table
from benchmarks.cast import cast
from benchmarks.script import START, Script
from benchmarks.servers import Servers
from paper_exchange.server.render_executions import execution_update

_ROUNDS, _COMMITS = 5, 100
REFERENCE_COMMIT_MS = 0.5
"""A single-row commit on the disk that targets for the listener are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`commit_ms`: inserting and committing a single row, waiting for the disk, with nothing else to do; the best of
    several rounds' medians, so that passing work of others does not make the machine look slower than it is. `load` is
    the load average of the minute before the run, `compiled` how many modules ran as machine code."""

    processor: str
    cores: int
    memory_gb: int
    system: str
    python: str
    compiled: int
    postgres: str
    commit_ms: float
    load: float

    @property
    def to_reference_ms(self) -> float:
        """How much longer a commit takes on the reference's disk; below 0 where it is the faster one."""
        return REFERENCE_COMMIT_MS - self.commit_ms

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        return [
            f"{self.processor}, {self.cores} cores, {self.memory_gb} GB, {self.system}",
            f"Python {self.python}, {self.compiled} modules compiled",
            f"PostgreSQL {self.postgres} (fsync and synchronous_commit on)",
            f"a single-row commit takes {self.commit_ms:.2f} ms; load before the run {self.load:.1f}",
        ]


def this_machine(servers: Servers) -> Machine:
    load = os.getloadavg()[0]
    owner, _ = servers.fresh()
    script = Script(cast(1)[0], START)
    rows = [execution_update(script.execution(number)) for number in range(_ROUNDS * _COMMITS)]
    with closing(connect(owner, "bench")) as connection:
        with transaction(connection) as cursor:
            for name in ("fsync", "synchronous_commit"):
                cursor.execute(f"SHOW {name}")
                assert (cursor.fetchone() or [""])[0] == "on", name
            cursor.execute("SHOW server_version")
            version = str((cursor.fetchone() or [""])[0])
        make_table(connection, owner.user)
        insert = BareInsert(connection)
        took = [insert.commit(script.role.account, row) for row in rows]
    rounds = [took[first : first + _COMMITS] for first in range(0, len(took), _COMMITS)]
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        compiled=len(compiled_modules()),
        postgres=version.split()[0],
        commit_ms=min(map(median, rounds)) * 1000,
        load=load,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
