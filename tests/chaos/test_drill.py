"""The drill passes with our listeners, whatever breaks, and fails with any that lacks one of their guards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from alpha.local.drill.command import INTERRUPTED
from alpha.local.drill.kinds import Kind
from alpha.local.drill.report import DIFFERENT, EQUAL
from tests.chaos.crippled_drill import DRILLS
from tests.chaos.seeded_drill import SEEDS
from tests.support import eventually

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]


@contextmanager
def at_the_same_time(module: str, arguments: Iterable[object]) -> Iterator[Mapping[object, subprocess.Popen[str]]]:
    """A drill per argument, each a process of its own: most of their time is waiting."""
    processes = {
        argument: subprocess.Popen(
            [sys.executable, "-m", module, str(argument)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for argument in arguments
    }
    try:
        yield processes
    finally:
        for process in processes.values():
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def seeded() -> Iterator[Mapping[object, subprocess.Popen[str]]]:
    with at_the_same_time("tests.chaos.seeded_drill", SEEDS) as processes:
        yield processes


@pytest.fixture(scope="module")
def crippled() -> Iterator[Mapping[object, subprocess.Popen[str]]]:
    with at_the_same_time("tests.chaos.crippled_drill", DRILLS) as processes:
        yield processes


def test_the_seeds_cover_every_kind() -> None:
    assert frozenset().union(*SEEDS.values()) == frozenset(Kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_whatever_breaks(seeded: Mapping[object, subprocess.Popen[str]], seed: int) -> None:
    out, err = seeded[seed].communicate(timeout=240)
    assert out, err
    report = json.loads(out)
    assert report["differences"] == []
    assert report["hit_nothing"] == []
    assert seeded[seed].returncode == EQUAL, report["proof"]
    assert report["recovered"] > 0


@pytest.mark.parametrize("guard", DRILLS)
def test_a_drill_of_listeners_without_a_guard_fails_and_says_what_is_wrong(
    crippled: Mapping[object, subprocess.Popen[str]], guard: str
) -> None:
    out, err = crippled[guard].communicate(timeout=240)
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
