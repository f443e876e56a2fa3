"""One catalogue: services, rules, boards and the page know no other metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from alpha.bot.metrics import BotMetrics
from alpha.domain.errors import InvariantViolated
from alpha.metrics.catalogue import CATALOGUE, Kind, Process
from alpha.metrics.page import page
from alpha.metrics.registry import MetricSet
from tests.unit.metrics.boards import MONITORING, prometheus_queries
from trade_sync_service.metrics import SyncMetrics
from websocket_listener.metrics import ListenerMetrics

ROOT = Path(__file__).parents[3]
_NAME = re.compile(r"\b(?:alpha|listener|trade_sync)_[a-z0-9_]+\b")


def exposed() -> set[str]:
    """Every name that a query may use."""
    names: set[str] = set()
    for metric in CATALOGUE:
        names.add(metric.exposed)
        if metric.kind is Kind.HISTOGRAM:
            names |= {f"{metric.name}_sum", f"{metric.name}_count"}
    return names


def test_the_page_is_written_from_the_catalogue() -> None:
    assert (ROOT / "docs/operations/metrics.md").read_text() == page()


@pytest.mark.parametrize(
    ("process", "metrics"),
    [(Process.LISTENER, ListenerMetrics), (Process.BOT, BotMetrics), (Process.SYNC, SyncMetrics)],
    ids=["listener", "bot", "sync"],
)
def test_a_service_serves_all_that_the_catalogue_says_and_nothing_else(
    process: Process, metrics: type[ListenerMetrics | BotMetrics | SyncMetrics]
) -> None:
    served = {family.name for family in metrics().registry.collect()}

    assert served == {metric.name for metric in CATALOGUE if metric.process is process}


def test_what_is_not_in_the_catalogue_cannot_be_made() -> None:
    own = MetricSet(Process.BOT)

    for name in ("alpha_bot_nothing", "listener_backlog_fills"):
        with pytest.raises(InvariantViolated, match=name):
            own.gauge(name)


def test_rules_and_boards_ask_for_what_there_is() -> None:
    unknown = {
        f"{where}: {name}"
        for where, query in prometheus_queries()
        for name in _NAME.findall(query)
        if name not in exposed()
    }

    assert not unknown


def test_every_rule_has_a_part_in_the_runbooks() -> None:
    text = (ROOT / "docs/operations/runbooks.md").read_text()
    anchors = {heading.lower().replace(",", "").replace(" ", "-") for heading in re.findall(r"^## (.+)$", text, re.M)}
    rules = yaml.safe_load((MONITORING / "prometheus/rules.yml").read_text())

    for group in rules["groups"]:
        for rule in group["rules"]:
            file, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert file == "docs/operations/runbooks.md"
            assert anchor in anchors, f"{rule['alert']} points to {anchor}"


def test_every_metric_of_the_platform_is_looked_at_somewhere() -> None:
    asked = {name for _, query in prometheus_queries() for name in _NAME.findall(query)}
    shown = {metric.name for metric in CATALOGUE if any(name.startswith(metric.name) for name in asked)}

    assert {metric.name for metric in CATALOGUE if metric.process is Process.EXPORTER} <= shown


def test_every_bot_of_the_registry_is_asked_for_its_metrics() -> None:
    config = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "bot"]
    asked = {static["labels"]["bot"] for static in job["static_configs"]}
    asked |= {rule["replacement"] for rule in job["relabel_configs"] if rule["target_label"] == "bot"}

    assert asked == {bot["id"] for bot in yaml.safe_load((ROOT / "bots.yaml").read_text())["bots"]}
