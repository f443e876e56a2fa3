from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.backtest.toy import write_candles
from tests.support import Database

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]


def alpha_sweep(home: Path, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
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
    return subprocess.run(
        [sys.executable, "-m", "alpha.cli", *command, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
