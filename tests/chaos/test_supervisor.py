"""The demo as its user runs it, and as it is ended: by itself, by Ctrl-C, by kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import eventually

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]
CANDLES = Path(os.environ.get("ALPHA_CANDLES", PROJECT / "../shared/data/candles"))


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="alpha-demo-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "alpha.cli", "demo", *arguments],
        cwd=PROJECT,
        env=dict(os.environ) | {"ALPHA_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    return not [process for process in processes if lives(process)]


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False  # ended between the two questions


def ended(demo: subprocess.Popen[str], within_s: float) -> tuple[int, str, str]:
    out, err = demo.communicate(timeout=within_s)
    return demo.returncode, out, err


def run_until_json(home: Path, *arguments: str) -> dict[str, object]:
    code, out, err = ended(start(home, "--json", *arguments), 150)
    assert out, err
    report: dict[str, object] = json.loads(out.strip().splitlines()[-1])
    assert code == (0 if report["passed"] else 1)
    assert report["passed"], report["failures"]
    return report


def test_the_demo_passes_on_a_synthetic_market(home: Path) -> None:
    report = run_until_json(home, "--seconds", "15")
    assert report["exchange_fills"] == report["ledger_fills"]
    assert isinstance(report["exchange_fills"], int)
    # a minute makes some three hundred; a quarter of one on a busy machine makes fewer
    assert report["exchange_fills"] >= 20
    assert [report[name] for name in ("missing", "duplicates", "unattributed", "positions_drifted")] == [0, 0, 0, 0]


@pytest.mark.skipif(not CANDLES.is_dir(), reason=f"no candles in {CANDLES}: set ALPHA_CANDLES to their folder")
def test_the_demo_passes_on_real_candles(home: Path) -> None:
    report = run_until_json(home, "--seconds", "15", "--candles", str(CANDLES))
    assert isinstance(report["exchange_fills"], int)
    assert report["exchange_fills"] >= 20


def test_ctrl_c_and_a_second_start(home: Path) -> None:
    # given a demo that is starting
    demo = start(home, "--seconds", "300")
    run_file = home / "demo" / "run.json"
    eventually(run_file.exists, 20, "run.json")
    processes = eventually(lambda: children_of(demo.pid), 20, "children")
    # when another is started in the same place, it says what is wrong
    code, _, err = ended(start(home), 30)
    assert code == 2
    assert "already running" in err
    assert "Traceback" not in err
    # and Ctrl-C while things are starting ends everything
    demo.send_signal(signal.SIGINT)
    code, _, err = ended(demo, 30)
    assert "Traceback" not in err
    assert eventually(lambda: gone(processes), 5, "all children gone")


def test_ctrl_c_while_trading_still_gives_a_verdict(home: Path) -> None:
    demo = start(home, "--seconds", "300", "--json")
    eventually(lambda: "fills" in _last_line(demo), 60, "a line about trading")
    processes = children_of(demo.pid)
    demo.send_signal(signal.SIGINT)
    _, out, err = ended(demo, 60)
    report = json.loads(out.strip().splitlines()[-1])
    assert (report["missing"], report["duplicates"], report["positions_drifted"]) == (0, 0, 0)
    assert "Traceback" not in err
    assert eventually(lambda: gone(processes), 5, "all children gone")


def test_kill_9_of_the_supervisor_leaves_no_process_behind(home: Path) -> None:
    demo = start(home, "--seconds", "300")
    eventually(lambda: len(children_of(demo.pid)) >= 8, 60, "the whole platform")
    processes = children_of(demo.pid)
    demo.kill()
    demo.communicate(timeout=10)
    assert eventually(lambda: gone(processes), 15, "all children gone")


def _last_line(demo: subprocess.Popen[str]) -> str:
    assert demo.stderr is not None
    return demo.stderr.readline()
