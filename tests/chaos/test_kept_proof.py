"""The demo's kept data are proven by opening them again, and a row that was made wrong in them is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alpha.ledger.connection import connect
from alpha.local.kept import KeptPlatform

PROJECT = Path(__file__).parents[2]


def alpha(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("ALPHA_", "POSTGRES_", "BYBIT_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "alpha.cli", *arguments],
        cwd=PROJECT,
        env=environ | {"ALPHA_HOME": str(home), "ALPHA_ENV_FILE": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def proof_of(home: Path) -> dict[str, Any]:
    shown = alpha(home, "proof", "--json")
    assert shown.returncode in (0, 1), shown.stderr
    told: dict[str, Any] = json.loads(shown.stdout)
    assert told["proven"] is (shown.returncode == 0)
    return told


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo of two canaries that was kept."""
    home = tmp_path_factory.mktemp("kept")
    shown = alpha(home, "demo", "--seconds", "6", "--keep", "--bots", "canary_001,canary_002")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return home


def test_kept_data_are_proven_reported_and_exported(kept: Path) -> None:
    told = proof_of(kept)
    assert told["proven"]
    canary = next(account for account in told["accounts"] if account["account"] == "canary")
    assert [check["name"] for check in canary["checks"] if check["ok"]][:3] == ["executions", "positions", "coverage"]
    (entry,) = [entry for day in canary["days"] for entry in day["double_entry"]]
    assert (entry["residual"], entry["exchange"]) == ("0", entry["ledger"])
    # the verdict was stored, so that the report bears it
    report = alpha(kept, "report", "--html", str(kept / "page.html"), "--json")
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["proof"]["holds"]
    assert "<svg" in (kept / "page.html").read_text()
    exported = alpha(kept, "export", "fills", "-")
    fills = canary["checks"][0]["text"].split()[0]
    assert len(exported.stdout.splitlines()) == int(fills) + 1


def test_a_fill_made_wrong_in_kept_data_is_named(kept: Path) -> None:
    # given a fill whose side was turned around by somebody with the owner's rights
    with (
        KeptPlatform(kept / "demo", with_exchange=False) as platform,
        closing(connect(platform.postgres.dsn(), "tests")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("ALTER TABLE trading.fills DISABLE TRIGGER USER")
        cursor.execute("GRANT UPDATE ON trading.fills TO CURRENT_USER")
        cursor.execute(
            "UPDATE trading.fills SET side = CASE side WHEN 'Buy' THEN 'Sell' ELSE 'Buy' END"
            " WHERE exec_id = (SELECT min(exec_id) FROM trading.fills) RETURNING exec_id"
        )
        (wrong,) = cursor.fetchone() or ("",)
        connection.commit()
    # when it is proven again
    told = proof_of(kept)
    # then the row is named
    assert not told["proven"]
    findings = [found for account in told["accounts"] for found in account["findings"]]
    assert any(found["subject"] == wrong and " side: exchange " in found["text"] for found in findings)
    report = alpha(kept, "report", "--json")
    assert report.returncode == 1
    assert not json.loads(report.stdout)["proof"]["holds"]
