"""The report as one HTML file that needs nothing but itself: no network, no script, no other file."""

from __future__ import annotations

import json
import math
from calendar import month_abbr
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backtest import plots
from backtest.outcome import Outcome
from backtest.report import as_json, notes, shown
from backtest.statistics import statistics
from backtest.tables import Month, by_exit_reason, by_symbol, months

_HEADS = (
    "return_percent",
    "cagr_percent",
    "max_drawdown_percent",
    "sharpe",
    "profit_factor",
    "win_rate_percent",
    "trades",
)


def as_page(outcome: Outcome) -> str:
    pages = Environment(
        loader=PackageLoader("backtest"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    plan = outcome.plan
    figures = [
        {"name": each.name, "title": each.title, "text": shown(each), "definition": each.definition}
        for each in statistics(outcome)
    ]
    traded = [symbol for symbol in plan.symbols if any(trade.key.symbol == symbol for trade in outcome.trades)]
    told = as_json(outcome)
    return pages.get_template("report.html").render(
        title=f"{plan.strategy.__name__} on {', '.join(plan.symbols)}",
        subtitle=(
            f"{outcome.start:%Y-%m-%d %H:%M} to {outcome.end:%Y-%m-%d %H:%M} UTC, {outcome.bars:,} bars of "
            f"{outcome.recordings.interval.total_seconds() / 60:.0f} minutes. {plan.balance:,} USDT became "
            f"{outcome.equity:,.2f} USDT."
        ),
        heads=[figure for name in _HEADS for figure in figures if figure["name"] == name],
        figures=figures,
        notes=notes(outcome),
        equity_plot=Markup(plots.equity_and_drawdown(outcome)),
        price_plots=[
            {"symbol": symbol, "svg": Markup(plots.trades_on_price(outcome, symbol))}
            for symbol in traded or plan.symbols
        ],
        month_names=list(month_abbr)[1:],
        years=_years(months(outcome.curve)),
        groups=[
            {
                "title": "Exit reasons",
                "id": "exit-reasons",
                "heading": "reason",
                "rows": by_exit_reason(outcome.trades),
            },
            {"title": "Symbols", "id": "symbols", "heading": "symbol", "rows": by_symbol(outcome.trades)},
        ],
        first_tradable=outcome.first_tradable,
        settings=json.dumps({name: told[name] for name in ("parameters", "limits", "costs")}, indent=2),
    )


def _years(found: list[Month]) -> list[dict[str, Any]]:
    years = []
    for year, group in groupby(found, key=lambda month: month.year):
        by_month = {month.month: month.percent for month in group}
        total = (math.prod(1 + percent / 100 for percent in by_month.values()) - 1) * 100
        years.append({"year": year, "months": [by_month.get(number) for number in range(1, 13)], "total": total})
    return years
