"""The plots of a month's report as SVG text."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from alpha.reporting.drawing import GAIN, INK, LINE, LOSS, SERIES, STYLE, dated, svg
from alpha.reporting.month import MonthReport, Performance


def result_by_day(performance: Performance) -> str:
    """The result since the beginning of the month, and what each day added."""
    days: Any = list(performance.daily)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1.2))
        above.plot(days, [float(total) for total in performance.curve], color=LINE, linewidth=1.4, marker=".")
        above.axhline(0, color=INK, linewidth=0.6, linestyle=":")
        above.set_ylabel("result so far, USDT")
        values = [float(value) for value in performance.daily.values()]
        below.bar(days, values, color=[GAIN if value >= 0 else LOSS for value in values], width=0.8)
        below.axhline(0, color=INK, linewidth=0.6)
        below.set_ylabel("of the day")
        dated(below)
        return svg(figure)


def bots_together(report: MonthReport) -> str:
    """Each bot's result since the beginning of the month, and that of all."""
    days: Any = list(report.portfolio.daily)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        axes = figure.subplots()
        for bot, colour in zip(report.bots, cycle(SERIES), strict=False):
            if bot.fills:
                axes.plot(days, [float(total) for total in bot.curve], color=colour, linewidth=1.2, label=bot.name)
        total = [float(each) for each in report.portfolio.curve]
        axes.plot(days, total, color=INK, linewidth=2.0, label="portfolio")
        axes.axhline(0, color=INK, linewidth=0.6, linestyle=":")
        axes.set_ylabel("result so far, USDT")
        axes.legend(loc="best", frameon=False, fontsize=8)
        dated(axes)
        return svg(figure)
