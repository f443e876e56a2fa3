from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from alpha.ledger.connection import connect, transaction
from alpha.ledger.sweeps import SCHEMA
from tests.integration.backtest.toy import write_candles
from tests.support import Database, eventually

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]


def machine(home: Path, database: Database, *arguments: str) -> subprocess.Popen[str]:
    """A sweep on a machine of its own: everything it starts is of one group of processes."""
    owner = database.owner
    environment = {
        **os.environ,
        "ALPHA_HOME": str(home),
        "POSTGRES_HOST": owner.host,
        "POSTGRES_PORT": str(owner.port),
        "POSTGRES_DB": owner.dbname,
        "POSTGRES_USER": owner.user,
        "POSTGRES_PASSWORD": owner.password,
    }
    command = ["sweep", "tests.integration.backtest.toy:Ripple", "--symbols", "BTCUSDT", "--candles", str(home)]
    return subprocess.Popen(
        [sys.executable, "-m", "alpha.cli", *command, *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Nothing of it is left afterwards."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def alpha_sweep(home: Path, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ended(machine(home, database, *arguments))


def trials_in(database: Database, states: str) -> int:
    """How many trials there are of all windows; 0 while there is no table of them."""
    with closing(connect(database.owner, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.trials",))
        if cursor.fetchone() == (None,):
            return 0
        cursor.execute(f"SELECT count(*) FROM {SCHEMA}.trials WHERE state::text ~ %s", (states,))
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def test_a_sweep_prints_what_was_chosen_and_writes_every_trial(tmp_path: Path, database: Database):
    write_candles(tmp_path)
    arguments = ["--vary", "rise_bars=2,4", "--windows", "2", "--objective", "return_percent", "--jobs", "1"]
    trials = tmp_path / "trials.csv"
    done = alpha_sweep(tmp_path, database, *arguments, "--json", "--csv", str(trials))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["trials"] == 4
    assert [window["trials"] for window in told["windows"]] == [2, 2]
    assert all(window["chosen"]["rise_bars"] in (2, 4) for window in told["windows"])
    with trials.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["window"], row["rise_bars"]) for row in rows) == [("1", "2"), ("1", "4"), ("2", "2"), ("2", "4")]
    best = max((row for row in rows if row["window"] == "1"), key=lambda row: float(row["in_sample"]))
    assert float(best["out_of_sample"]) == told["windows"][0]["out_of_sample"]


def test_a_machine_that_dies_leaves_its_trials_to_the_one_that_shares_the_sweep(tmp_path: Path, database: Database):
    write_candles(tmp_path)
    arguments = ["--vary", "rise_bars=1..6:1", "--vary", "hold_bars=6..11:1", "--windows", "2"]
    arguments += ["--objective", "return_percent", "--jobs", "1", "--json"]
    first, second = (machine(tmp_path, database, *arguments) for _ in range(2))
    with first, second, killed(first), killed(second):
        eventually(lambda: trials_in(database, "COMPLETE|PRUNED") >= 8, 60, "trials of both machines")
        os.killpg(first.pid, signal.SIGKILL)
        assert trials_in(database, "COMPLETE|PRUNED") < 72
        shared = ended(second)
    assert first.returncode == -signal.SIGKILL
    assert shared.returncode == 0, shared.stderr
    told = json.loads(shared.stdout)
    assert [window["trials"] for window in told["windows"]] == [36, 36]
    assert trials_in(database, "COMPLETE|PRUNED") == 72


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to vary"),
        (["--vary", "rise_bars=2..4:9"], "the step 9 must be above 0 and at most 2"),
        (["--vary", "rise=2,4"], "there is no 'rise'; the parameters are rise_bars, hold_bars, pause_minutes"),
        (["--vary", "rise_bars=0,-1"], "no trial could be run; of the first was said: parameters of Ripple: rise_bars"),
        (["--vary", "rise_bars=2,4", "--windows", "900"], "too short for 900 windows"),
        (["--vary", "rise_bars=2,4", "--from", "2026-01-01"], "nothing is left to try"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(tmp_path: Path, database: Database, arguments: list[str], message: str):
    write_candles(tmp_path)
    done = alpha_sweep(tmp_path, database, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
