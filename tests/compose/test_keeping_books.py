"""What is kept and what it is worth: backups that were restored, books proven, figures for Prometheus."""

from __future__ import annotations

import hashlib
import json
import stat

from tests.compose.deployment import FILE, Deployment, becomes, docker
from tests.support import eventually

_READ = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=60).read())"


def test_a_backup_is_taken_when_asked_for_and_counts_once_it_was_restored(platform: Deployment) -> None:
    folder = platform.folder / "database" / "backups" / "postgres"
    before = set(folder.glob("*.dump"))
    said = platform.typed(f"docker compose -f {FILE} exec postgres_backup python -m database.backup --now")
    assert "backup_done" in said
    (dump,) = set(folder.glob("*.dump")) - before
    manifest = json.loads(dump.with_suffix(".json").read_text())
    assert manifest["verified_at"]
    assert manifest["server_major"] == 17
    assert manifest["figures"]["rows"]["fills"] > 0
    assert manifest["sha256"] == hashlib.sha256(dump.read_bytes()).hexdigest()
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert dump.stat().st_uid == int(platform.env["ALPHA_UID"])
    becomes("trading_postgres_backup", "healthy")
    databases = platform.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").split()
    assert databases == ["postgres", "trading_db"]


def test_the_books_are_the_exchanges_to_the_cent(platform: Deployment) -> None:
    eventually(
        lambda: int(platform.sql("SELECT count(*) FROM trading.trades")) >= 5,
        300,
        "round trips",
        every_s=1,
    )
    done = platform.alpha("proof", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["proven"]
    assert not told["not_judged"]
    assert {account["account"] for account in told["accounts"]} == {"shortseller", "lxalgo", "momentum", "canary"}


def test_the_exporter_tells_of_every_source(platform: Deployment) -> None:
    platform.up("exporter", profiles=("paper", "monitoring"), fast=True)
    told = docker(
        "run", "--rm", "--network", "alpha_trading-network", "--entrypoint", "python", "alpha/migrate",
        "-c", _READ, "http://exporter:9100/metrics",
    )  # fmt: skip
    for source in ("ledger", "redis", "pgbouncer"):
        assert f'alpha_source_up{{source="{source}"}} 1.0' in told
    assert 'alpha_task_age_seconds{account="",task="backup"}' in told
    checked = platform.compose("--profile", "monitoring", "config", "--quiet")
    assert checked.returncode == 0, checked.stderr
