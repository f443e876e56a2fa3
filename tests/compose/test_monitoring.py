"""A real Prometheus beside the containers, with the configuration that is theirs: all that is asked returns data.

It is this machine's own, Debian's, since there is no image of it everywhere; it is put into a container on the
platform's network, where it finds the services by the names that are in its file.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compose.deployment import FILE, Deployment, docker
from tests.compose.test_hardening import NETWORK, stranger
from tests.support import eventually, free_port
from tests.unit.metrics.boards import ask, ledger_questions, prometheus_queries, without_threshold

PROGRAM = shutil.which("prometheus")
# Rules that a machine may break that is too small for these tests and for what else it does.
ABOUT_SPEED = {"CommitSlow", "OrdersSlow", "PoolWaiting"}
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no prometheus on PATH: apt-get install prometheus")


@pytest.fixture(scope="module")
def watched(platform: Deployment) -> Deployment:
    """The platform with its exporter, and with a backup, so that there is one to tell of."""
    platform.up("exporter", profiles=("paper", "canary", "monitoring"), fast=True)
    platform.typed(f"docker compose -f {FILE} exec postgres_backup python -m database.backup --now")
    return platform


@pytest.fixture(scope="module")
def prometheus(watched: Deployment) -> Iterator[str]:
    """Base URL of a Prometheus that asks the platform."""
    port = free_port()
    container = docker(
        "run", "--detach", "--network", NETWORK, "--publish", f"127.0.0.1:{port}:9090", "--tmpfs", "/data",
        "--volume", f"{PROGRAM}:/usr/bin/prometheus:ro",
        "--volume", f"{watched.folder}/monitoring/prometheus:/etc/prometheus:ro",
        "--entrypoint", "/usr/bin/prometheus", "python:3.11-slim",
        "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data",
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", container)


def told(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=10) as answer:
        return json.loads(answer.read())["data"]


def test_every_process_is_found_by_its_name(prometheus: str) -> None:
    def found() -> bool:
        up = {(of["metric"]["job"], of["metric"].get("bot", "")) for of in ask(prometheus, "up == 1")}
        bots = ("shortseller_001", "lxalgo_001", "momentum_001", "canary_001", "canary_002")
        assert up == {(job, "") for job in ("websocket_listener", "trade_sync_service", "exporter")} | {
            ("bot", bot) for bot in bots
        }
        return True

    eventually(found, 180, "every target answering", every_s=1)


def test_every_query_of_rules_and_boards_returns_data(prometheus: str) -> None:
    silent = [(where, without_threshold(query).replace("$bot", "canary_001")) for where, query in prometheus_queries()]
    assert len(silent) > 60

    def all_answered() -> bool:
        silent[:] = [(where, query) for where, query in silent if not ask(prometheus, query)]
        assert not silent
        return True

    eventually(all_answered, 240, "data for every query", every_s=1)


def test_every_rule_is_evaluated_and_nobody_is_woken_for_a_platform_that_is_well(prometheus: str) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in told(prometheus, "rules")["groups"] for rule in group["rules"]]

    def fired() -> set[str]:
        return {rule["name"] for rule in rules() if rule["state"] == "firing"}

    eventually(lambda: all(rule["health"] == "ok" for rule in rules()), 60, "rules without an error", every_s=1)
    assert len(rules()) > 20
    # Looked at for two minutes, so that what is wrong for a minute fires.
    eventually(lambda: ask(prometheus, 'count_over_time(up{job="exporter"}[5m]) > 8'), 180, every_s=1)
    eventually(lambda: fired() <= ABOUT_SPEED, 60, "only what depends on this machine firing", every_s=1)


def test_every_question_of_the_boards_is_answered_to_the_login_of_grafana(watched: Deployment) -> None:
    address = f"postgresql://grafana:{watched.env['GRAFANA_POSTGRES_PASSWORD']}@pgbouncer:6432/trading_db"
    silent = list(ledger_questions("canary_001"))
    assert len(silent) > 10

    def rows(question: str) -> str:
        done = stranger("postgres:17", "psql", address, "-Atc", question)
        assert done.returncode == 0, f"{question}: {done.stderr}"
        return done.stdout.strip()

    def all_answered() -> bool:
        silent[:] = [(where, question) for where, question in silent if not rows(question)]
        assert not silent
        return True

    eventually(all_answered, 240, "rows for every question", every_s=1)
