from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser

import pytest

from backtest.outcome import Outcome
from backtest.page import as_page
from backtest.report import as_json
from backtest.run import backtest_on
from backtest.statistics import statistics
from tests.unit.backtest.markets import BTC, ETH, Everything, a_plan, a_series, recordings


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return backtest_on(
        a_plan(Everything, BTC, ETH), recordings(a_series(400, gaps=((100, 110),)), a_series(400, symbol=ETH))
    )


class Parts(HTMLParser):
    """What a page would fetch, and how many elements of a kind it has."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action") and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")


def test_the_page_needs_nothing_but_itself(outcome: Outcome):
    parts = Parts()
    parts.feed(page := as_page(outcome))
    assert parts.fetched == []
    assert not re.search(r"@import|url\(\s*['\"]?https?:", page)
    assert "script" not in parts.counts


def test_the_page_shows_plots_figures_and_gaps(outcome: Outcome):
    parts = Parts()
    parts.feed(page := as_page(outcome))
    # equity with drawdown, and a price with its trades for each symbol
    assert parts.counts["svg"] == 3
    for figure in statistics(outcome):
        assert escape(figure.definition) in page
    assert "BTCUSDT lacks 10 candles" in page
    assert all(f'id="{name}"' in page for name in ("figures", "months", "exit-reasons"))


def test_the_same_outcome_makes_the_same_page(outcome: Outcome):
    assert as_page(outcome) == as_page(outcome)


def test_the_json_is_json_and_names_everything(outcome: Outcome):
    told = json.loads(json.dumps(as_json(outcome), allow_nan=False))
    assert told["figures"]["trades"] == len(outcome.trades)
    assert set(told["figures"]) == set(told["definitions"])
    assert told["gaps"] == [
        {"symbol": "BTCUSDT", "from": "2025-03-01T08:20:00+00:00", "to": "2025-03-01T09:10:00+00:00", "bars": 10}
    ]
    assert sum(group["trades"] for group in told["exit_reasons"]) == len(outcome.trades)
