"""The drill passes with our listeners, whatever breaks, and fails with any that lacks one of their guards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from alpha.local.drill.command import INTERRUPTED, drill
from alpha.local.drill.kinds import Kind, Lane
from alpha.local.drill.options import DrillOptions
from alpha.local.drill.report import DIFFERENT, EQUAL, DrillReport
from alpha.service.shutdown import StopSignal
from tests.chaos.crippled_drill import DRILLS
from tests.support import eventually

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
IN_HASTE = (0.05, 0.4)


def run(options: DrillOptions) -> DrillReport:
    return drill(options, StopSignal(), Console(stderr=True))


def what_speaks_against(report: DrillReport) -> Iterator[str]:
    """What the exchange's own books say against the ledger, whole: pytest would shorten the object."""
    assert report.proof is not None
    yield "not proven:"
    for proof in report.proof.proofs:
        yield from (f"{proof.account} {found}" for found in proof.findings)
    yield from (f"{account} {error}" for account, error in report.proof.failed.items())


def every_second(kinds: Iterable[Kind], first: int) -> frozenset[Kind]:
    return frozenset(sorted(kinds)[first::2])


# A plan lasts as long as its longest lane: each of two seeds breaks half of what there is in each.
LANES = [[kind for kind in Kind if kind.lane is lane] for lane in Lane]
SEEDS = {seed: frozenset().union(*(every_second(kinds, seed % 2) for kinds in LANES)) for seed in (1, 2)}


def test_the_seeds_cover_every_kind() -> None:
    assert frozenset().union(*SEEDS.values()) == frozenset(Kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_whatever_breaks(seed: int) -> None:
    report = run(DrillOptions(seed=seed, fills=900, accounts=2, kinds=SEEDS[seed], pause_s=IN_HASTE))
    assert report.verdict.differences == ()
    assert report.hit_nothing == ()
    assert report.exit_code == EQUAL, "\n".join(what_speaks_against(report))
    assert report.verdict.recovered > 0


@pytest.fixture(scope="module")
def crippled() -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """All drills of listeners that lack something, at the same time: most of their time is waiting."""
    processes = {
        guard: subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.crippled_drill", guard],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for guard in DRILLS
    }
    yield processes
    for process in processes.values():
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("guard", DRILLS)
def test_a_drill_of_listeners_without_a_guard_fails_and_says_what_is_wrong(
    crippled: Mapping[str, subprocess.Popen[str]], guard: str
) -> None:
    out, err = crippled[guard].communicate(timeout=150)
    assert out, err
    assert crippled[guard].returncode == DIFFERENT
    differences = [difference["what"] for difference in json.loads(out)["differences"]]
    assert any(DRILLS[guard].told_by in what for what in differences), differences


def test_ctrl_c_ends_a_drill_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "alpha.cli", "drill", "--json"],
        cwd=PROJECT,
        env=dict(os.environ) | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = eventually(lambda: psutil.Process(process.pid).children(recursive=True), 30, "children")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in err
    assert out == ""
    assert eventually(lambda: not [each for each in children if each.is_running()], 5, "all children gone")
    assert list(tmp_path.iterdir()) == []
