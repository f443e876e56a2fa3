"""A real Prometheus scrapes a platform that trades, and every query of rules and boards returns data."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from alpha.ledger.connection import connect, transaction
from alpha.local.ports import free_port
from tests.chaos.trading import Trading
from tests.support import eventually
from tests.unit.metrics.boards import MONITORING, ask, ledger_questions, prometheus_queries, without_threshold

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus on PATH: apt-get install prometheus"),
]
PROJECT = Path(__file__).parents[3]
BOTS = ("shortseller_001", "canary_001", "canary_002")
# What this platform has no data of: there is no pooler, Redis has no limit, nobody made a backup. The one of containers
# has all of it (tests/compose/test_monitoring.py).
ABSENT = re.compile(r"alpha_pgbouncer|alpha_redis_memory_limit|alpha_task_duration")


@pytest.fixture(scope="module")
def trading() -> Iterator[Trading]:
    home = Path(tempfile.mkdtemp(prefix="alpha-monitoring-"))
    try:
        with Trading(home) as platform:
            platform.more_fills(8)
            yield platform
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def exporter(trading: Trading) -> Iterator[int]:
    """The port of an exporter that looks at the platform."""
    port = free_port()
    environment = trading.platform.env("reader") | {"EXPORTER_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "alpha.metrics.exporter"], cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def prometheus(trading: Trading, exporter: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a Prometheus with our configuration, but for where the targets are on this machine."""
    folder = tmp_path_factory.mktemp("prometheus")
    platform = trading.platform
    ports = {
        "websocket_listener": [("", platform.metrics_port("listener"))],
        "trade_sync_service": [("", platform.metrics_port("trade-sync"))],
        "bot": [(bot, platform.metrics_port(bot)) for bot in BOTS],
        "exporter": [("", exporter)],
    }
    config = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"bot": bot} if bot else {}}
            for bot, port in ports[job["job_name"]]
        ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(MONITORING / "prometheus/rules.yml", folder)
    with _serving(folder) as url:
        yield url


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def scraped(query: str) -> str:
    """The query as this test can ask it: its windows are seconds long, and the bot is one of ours."""
    return re.sub(r"\[\d+[mh]\]", "[30s]", query).replace("$bot", "canary_001")


def test_every_query_of_rules_and_boards_returns_data(trading: Trading, prometheus: str) -> None:
    trading.until(lambda: len(ask(prometheus, "up == 1")) == 6, 120, "six targets that answer")
    trading.more_fills(4)
    asked = [
        (where, without_threshold(scraped(query))) for where, query in prometheus_queries() if not ABSENT.search(query)
    ]
    assert len(asked) > 40

    silent = list(asked)

    def all_answer() -> bool:
        silent[:] = [(where, query) for where, query in silent if not ask(prometheus, query)]
        assert not silent
        return True

    trading.until(all_answer, 120, "data for every query")


def test_a_stuck_bot_and_a_lost_redis_are_seen(trading: Trading, prometheus: str) -> None:
    trading.until(lambda: ask(prometheus, 'alpha_heartbeat_age_seconds{bot="canary_002"} < 5'), 120, "a heartbeat")
    pid = trading.platform.child("canary_002").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        trading.until(
            lambda: ask(prometheus, 'alpha_heartbeat_age_seconds{bot="canary_002"} > 3'), 120, "an old heartbeat"
        )
    finally:
        os.kill(pid, signal.SIGCONT)

    redis = trading.platform.child("valkey")
    redis.want(False)
    trading.until(lambda: ask(prometheus, 'alpha_source_up{source="redis"} == 0'), 120, "a source that is down")
    redis.want(True)
    trading.until(lambda: ask(prometheus, 'alpha_source_up{source="redis"} == 1'), 120, "a source that is back")


def test_every_question_to_the_ledger_is_answered(trading: Trading) -> None:
    """What the boards ask PostgreSQL, as the login that they have."""
    questions = list(ledger_questions("canary_001"))
    assert len(questions) > 10
    trading.with_a_position_open()

    def empty() -> list[str]:
        with closing(connect(trading.platform.dsn("reader"), "tests")) as reader:
            found = []
            for where, question in questions:
                with transaction(reader) as cursor:
                    cursor.execute(question)
                    if not cursor.fetchall():
                        found.append(where)
        return [where for where in found if "Open positions" not in where]

    eventually(lambda: not empty(), 120, "rows for every question")


def test_the_rules_fire_when_they_should() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"],
        cwd=MONITORING / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
