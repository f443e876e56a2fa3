"""The whole way from a backup to a platform that goes on with it, as docs/operations/backups.md says it."""

from __future__ import annotations

import json

from tests.compose.deployment import FILE, ROOT, SERVICES, Deployment, containers, inspect
from tests.compose.test_killing import fills, is_proven
from tests.support import eventually


def stopping_what_is_connected() -> str:
    """The line of both pages, which has to take the canaries as well: their profile is not in .env."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/operations/backups.md", "database/README.md")]
    (line,) = {line.strip() for page in pages for line in page.splitlines() if " stop $(" in line}
    return line


def test_a_platform_goes_on_with_a_backup_and_with_what_was_traded_since(platform: Deployment) -> None:
    platform.up(*SERVICES, profiles=("paper", "canary"), fast=True)
    eventually(lambda: fills(platform) > 0, 120, "a fill", every_s=1)
    said = platform.typed(f"docker compose -f {FILE} exec postgres_backup python -m database.backup --now")
    done = next(json.loads(line) for line in said.splitlines() if '"backup_done"' in line)
    backed_up = fills(platform)
    eventually(lambda: fills(platform) > backed_up, 120, "fills that are not in the backup", every_s=1)
    # What is lost: somebody damaged the ledger, and the platform goes on meanwhile.
    restored = platform.alpha("restore", f"database/backups/postgres/{done['file']}", "--json")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    told = json.loads(restored.stdout)
    assert told["recovered"]
    assert told["equal"]

    refused = platform.alpha("restore", "--switch-to", told["database"])
    assert refused.returncode == 1
    assert "stop the platform, PgBouncer too, and try again" in refused.stderr
    platform.typed(stopping_what_is_connected())
    assert {name for name, made in containers().items() if inspect(made)["State"]["Running"]} == {"postgres", "redis"}
    switched = platform.alpha("restore", "--switch-to", told["database"], "--json")
    assert switched.returncode == 0, switched.stdout + switched.stderr
    aside = json.loads(switched.stdout)["kept_as"]
    try:
        platform.up(*SERVICES, profiles=("paper", "canary"), fast=True)
        before = fills(platform)
        assert before > backed_up
        eventually(lambda: fills(platform) > before, 120, "a fill in the restored ledger", every_s=1)
        is_proven(platform)
    finally:
        platform.sql(f"DROP DATABASE {aside}")
