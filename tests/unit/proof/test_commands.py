"""`alpha proof`, `alpha report` and `alpha export` from outside: what they refuse, and with which exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from alpha import cli

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _nothing_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHA_ENV_FILE", "")
    monkeypatch.setenv("ALPHA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("proof", "--day", "yesterday"), 2, "'yesterday' is no day: write it as 2025-01-31."),
        (("proof", "--day", "9999-12-31"), 2, "9999-12-31 is no day of any market."),
        (("report", "--month", "2025-13"), 2, "'2025-13' is no month: write it as 2025-01."),
        (("report", "--month", "9999-12"), 2, "'9999-12' is no month of any market."),
        (("export", "fills", "-", "--from", "0001-01-01T00:00+05:00"), 2, "+05:00' is no time: write it as"),
        (("export", "orders", "orders.csv"), 2, "'orders' is not one of"),
        (("export", "fills", "fills.xlsx"), 2, "fills.xlsx says neither .csv nor .parquet"),
        (("export", "fills", "nowhere/fills.csv"), 2, "there is no folder nowhere"),
        (("report", "--html", "nowhere/page.html"), 2, "there is no folder nowhere"),
        (("proof",), 3, "start one with `alpha up`"),
        (("report",), 3, "start one with `alpha up`"),
        (("export", "fills", "fills.csv"), 3, "start one with `alpha up`"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(arguments: tuple[str, ...], code: int, says: str) -> None:
    result = RUNNER.invoke(cli.alpha, arguments)
    assert result.exit_code == code
    assert says in result.output
    assert "Traceback" not in result.output
