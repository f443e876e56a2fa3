"""How plots look, and a figure as the text of an SVG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

INK, GRID, LINE, GAIN, LOSS = "#26323d", "#e4e8ec", "#1f6f8b", "#2e7d4f", "#b23b3b"
SERIES = ("#1f6f8b", "#b07d2b", "#6b5b95", "#2e7d4f", "#b23b3b", "#5a6b7a", "#8a5a44", "#3b7a78", "#93476f", "#70803a")
"""Colours of lines that stand beside one another."""

STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    # Text stays text: smaller, and searchable in the page.
    "svg.fonttype": "none",
    # Ids of the SVG's parts are hashes of this, so that the same rows make the same page.
    "svg.hashsalt": "report",
}


def dated(axes: Axes) -> None:
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def svg(figure: Figure) -> str:
    """The <svg> element alone, to stand inside a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
