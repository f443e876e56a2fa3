"""The plots of the HTML report as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alpha.candles.tape import as_numpy
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol
from alpha.domain.side import Direction
from alpha.domain.trade import Trade
from backtest.outcome import Outcome
from backtest.statistics import drawdowns

_POINTS = 1500
_INK, _GRID, _LINE, _FALL, _GAIN, _LOSS = "#26323d", "#e4e8ec", "#1f6f8b", "#c0504d", "#2e7d4f", "#b23b3b"
_STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _GRID,
    "axes.axisbelow": True,
    # Text stays text: smaller, and searchable in the page.
    "svg.fonttype": "none",
    # Ids of the SVG's parts are hashes of this, so that the same outcome makes the same page.
    "svg.hashsalt": "backtest",
}


def equity_and_drawdown(outcome: Outcome) -> str:
    curve = outcome.curve
    rows = _thinned(curve.equity)
    times = _times(curve.times_ms[rows])
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.2))
        above.plot(times, curve.equity[rows], color=_LINE, linewidth=1.1)
        above.axhline(float(outcome.plan.balance), color=_INK, linewidth=0.6, linestyle=":")
        above.set_ylabel("equity, USDT")
        fallen = -100.0 * drawdowns(curve.equity)
        deep = _thinned(fallen)
        below.fill_between(_times(curve.times_ms[deep]), fallen[deep], 0, color=_FALL, alpha=0.35, linewidth=0)
        below.set_ylabel("drawdown, %")
        _dated(below)
        return _svg(figure)


def trades_on_price(outcome: Outcome, symbol: Symbol) -> str:
    """The price over the period, entries and exits; a trade's line is green where it was won and red where lost."""
    tape = outcome.recordings.tapes[symbol]
    first, last = np.searchsorted(tape.starts_ms, [to_ms(outcome.start), to_ms(outcome.end)])
    close = as_numpy(tape.close)[first:last] * float(tape.tick_size)
    trades = [trade for trade in outcome.trades if trade.key.symbol == symbol]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots()
        if len(close):
            rows = _thinned(close)
            axes.plot(_times(tape.ends_ms[first:last][rows]), close[rows], color="#8797a5", linewidth=0.8, zorder=1)
        for won, colour in ((True, _GAIN), (False, _LOSS)):
            _connect(axes, [trade for trade in trades if (trade.net_pnl > 0) is won], colour)
        for direction, marker in ((Direction.LONG, "^"), (Direction.SHORT, "v")):
            ours = [trade for trade in trades if trade.direction is direction]
            if ours:
                axes.scatter(
                    [trade.opened_at for trade in ours],  # type: ignore[arg-type]
                    [float(trade.entry_price) for trade in ours],
                    marker=marker, s=12, color=_INK, linewidths=0, zorder=3, label=f"{direction.value} entry",
                )  # fmt: skip
        if trades:
            axes.scatter(
                [trade.closed_at for trade in trades],  # type: ignore[arg-type]
                [float(trade.exit_price) for trade in trades],
                marker="x", s=9, color=_INK, linewidths=0.6, zorder=3, label="exit",
            )  # fmt: skip
            axes.legend(loc="best", frameon=False, fontsize=8)
        axes.set_ylabel(f"{symbol}, USDT")
        _dated(axes)
        return _svg(figure)


def _connect(axes: Axes, trades: Sequence[Trade], colour: str) -> None:
    """One line of many pieces, cut by NaN: a line each would make thousands of elements."""
    times: list[datetime] = []
    prices: list[float] = []
    for trade in trades:
        times += [trade.opened_at, trade.closed_at, trade.closed_at]
        prices += [float(trade.entry_price), float(trade.exit_price), float("nan")]
    if trades:
        axes.plot(times, prices, color=colour, linewidth=1.1, zorder=2)  # type: ignore[arg-type]


def _thinned(values: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Rows that keep the look of a long line: the lowest and the highest of each stretch, and both ends."""
    if len(values) <= _POINTS:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _POINTS // 2 + 1).astype(np.int64)
    stretches = list(pairwise(edges.tolist()))
    lows = [start + int(values[start:end].argmin()) for start, end in stretches]
    highs = [start + int(values[start:end].argmax()) for start, end in stretches]
    return np.unique(np.array([0, *lows, *highs, len(values) - 1]))


def _times(times_ms: NDArray[np.int64]) -> Any:
    """As matplotlib takes them; its types do not know of datetimes."""
    return [from_ms(int(ms)) for ms in times_ms]


def _dated(axes: Axes) -> None:
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _svg(figure: Figure) -> str:
    """The <svg> element alone, to stand inside a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
