"""The result over time, and below it how far it is under its highest, as a picture for a phone."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING

from alpha.ledger.analytics import Curve, Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT_COLOUR, DRAWDOWN_COLOUR = "#1f5fa8", "#c4645a"
_INCHES, _DOTS_PER_INCH = (8.0, 6.0), 120
# Room for the numbers, laid out by hand: measuring every text first would take as long as drawing.
_MARGINS = {"left": 0.135, "right": 0.975, "top": 0.93, "bottom": 0.085, "hspace": 0.09}


def result_chart(curve: Curve, title: str) -> bytes:
    """A PNG of 960 by 720 dots, of a curve that has a step at least. Times are market time."""
    png = BytesIO()
    # The picture is sent once: what a smaller file saves is less than what making it smaller takes.
    figure_of(curve, title).savefig(png, format="png", dpi=_DOTS_PER_INCH, pil_kwargs={"compress_level": 3})
    return png.getvalue()


def figure_of(curve: Curve, title: str) -> Figure:
    """The figure itself: above the result in USDT, below the drawdown."""
    # Without pyplot, which keeps every figure and is for one thread; and here, because it takes half a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, Locator

    figure = Figure(figsize=_INCHES)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(**_MARGINS)
    first = [] if curve.start is None else [Step(curve.start, Decimal(0), Decimal(0))]
    steps = [*first, *curve.steps]
    # Matplotlib draws floats; a dot is coarser than what that loses.
    times = [step.at for step in steps]
    results, drawdowns = [float(step.result) for step in steps], [float(step.drawdown) for step in steps]
    above.plot(times, results, color=RESULT_COLOUR, linewidth=1.8, drawstyle="steps-post")
    above.axhline(0, color="#888888", linewidth=0.8)
    above.set_title(title, fontsize=15)
    below.fill_between(times, drawdowns, 0, color=DRAWDOWN_COLOUR, step="post", linewidth=0)
    if not curve.worst_drawdown:
        below.set_ylim(-1, 0)
    locator: Locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    for axes, what in ((above, "net result, USDT"), (below, "drawdown, USDT")):
        axes.set_ylabel(what, fontsize=11)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda amount, _: f"{amount:,.6g}"))
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=11)
        axes.margins(x=0.01)
    return figure
