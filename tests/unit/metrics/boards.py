"""What the rules of Prometheus and the boards of Grafana ask, read from their files."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parents[3] / "monitoring"
_THRESHOLD = re.compile(r"\s(?:==|>|<)\s[\d* .]+$")


def prometheus_queries() -> Iterator[tuple[str, str]]:
    """(where, query) of all rules and boards."""
    rules = yaml.safe_load((MONITORING / "prometheus/rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for name, panel, target in _targets():
        if "expr" in target:
            yield f"{name}: {panel}", target["expr"]


def ledger_questions(bot: str) -> Iterator[tuple[str, str]]:
    """(where, statement) of all that the boards ask PostgreSQL, with this bot chosen where one can be."""
    for name, panel, target in _targets():
        if "rawSql" in target:
            yield f"{name}: {panel}", target["rawSql"].replace("$bot", bot)
    for name, board in _boards():
        for variable in board["templating"]["list"]:
            yield f"{name}: choice of {variable['name']}", variable["query"]


def without_threshold(query: str) -> str:
    """What a rule looks at, whether it is time to wake somebody or not."""
    return _THRESHOLD.sub("", query)


def ask(url: str, query: str) -> list[Any]:
    """The answer of a Prometheus to an instant query; empty while it does not answer."""
    try:
        with urllib.request.urlopen(
            f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=5
        ) as answer:
            result: list[Any] = json.loads(answer.read())["data"]["result"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{query}: {error.read().decode()}") from error
    except OSError:
        return []
    return result


def _boards() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((MONITORING / "grafana/dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text())


def _targets() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, board in _boards():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield name, panel["title"], target
