"""The boards have the form that Grafana reads: each panel at a place of its own, asking a source that there is."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

GRAFANA = Path(__file__).parents[3] / "monitoring/grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
# Panels and units that Grafana itself brings.
KINDS = {"stat", "timeseries", "barchart", "table"}
UNITS = {"s", "ms", "bytes", "short", "percent", "dateTimeAsIso", "currencyUSD", None}
WIDTH = 24
BUILT_IN = {"__rate_interval", "__interval", "__range", "__timeFilter", "__timeFrom", "__timeTo"}

Panel = dict[str, Any]


def panels(board: Path) -> list[Panel]:
    found: list[Panel] = json.loads(board.read_text())["panels"]
    return found


def overlap(one: Panel, other: Panel) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    return all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in (("x", "w"), ("y", "h")))


@pytest.fixture(params=BOARDS, ids=lambda board: board.stem)
def board(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_panel_has_a_place_of_its_own(board: Path) -> None:
    there = panels(board)
    assert len({panel["id"] for panel in there}) == len(there)
    for panel in there:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= WIDTH, panel["title"]
    assert [(one["title"], other["title"]) for one, other in combinations(there, 2) if overlap(one, other)] == []


def test_every_panel_asks_a_source_that_is_provisioned_in_a_form_that_it_shows(board: Path) -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/alpha.yml").read_text())["datasources"]
    sources = {source["uid"]: source["type"] for source in provisioned}
    for panel in panels(board):
        assert panel["type"] in KINDS, panel["title"]
        assert panel.get("fieldConfig", {}).get("defaults", {}).get("unit") in UNITS, panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]
        for target in panel["targets"]:
            assert sources[target["datasource"]["uid"]] == target["datasource"]["type"]
            if panel["type"] in ("table", "barchart"):
                # As a range of moments a table would show one line a moment, of one series.
                assert target["format"] == "table", panel["title"]
                assert "rawSql" in target or target["instant"], panel["title"]
            elif "rawSql" in target:
                assert target["format"] == "time_series"
                assert re.search(r"\bAS time\b", target["rawSql"]), panel["title"]


def test_what_a_panel_names_is_in_its_answer(board: Path) -> None:
    for panel in panels(board):
        renamed = {
            new for step in panel.get("transformations", []) for new in step["options"].get("renameByName", {}).values()
        }
        shown = renamed | {target.get("legendFormat", "") for target in panel["targets"]}
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            assert override["matcher"]["options"] in shown, panel["title"]
            assert {each["value"] for each in override["properties"] if each["id"] == "unit"} <= UNITS


def test_every_variable_is_one_that_the_board_has(board: Path) -> None:
    chosen = {each["name"] for each in json.loads(board.read_text())["templating"]["list"]}
    asked = " ".join(
        target.get("expr", target.get("rawSql", "")) for panel in panels(board) for target in panel["targets"]
    )
    assert set(re.findall(r"\$\{?(\w+)", asked)) <= chosen | BUILT_IN


def test_boards_are_told_apart(board: Path) -> None:
    ours = json.loads(board.read_text())
    for other in set(BOARDS) - {board}:
        theirs = json.loads(other.read_text())
        assert ours["uid"] != theirs["uid"]
        assert ours["title"] != theirs["title"]
