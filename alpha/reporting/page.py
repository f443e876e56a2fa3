"""The report as one HTML file that needs nothing but itself: no network, no script, no other file."""

from __future__ import annotations

from decimal import Decimal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alpha.reporting import plots
from alpha.reporting.month import MonthReport


def as_page(report: MonthReport) -> str:
    pages = Environment(
        loader=PackageLoader("alpha.reporting"), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    pages.filters |= {"money": money, "signed": signed, "exact": exact}
    traded = [bot for bot in report.bots if bot.fills]
    return pages.get_template("month.html").render(
        report=report,
        title=f"Trading in {report.month.first:%B %Y}",
        portfolio=report.portfolio,
        quiet=[bot.name for bot in report.bots if not bot.fills],
        together=Markup(plots.bots_together(report)),
        portfolio_plot=Markup(plots.result_by_day(report.portfolio)),
        bots=[(bot, Markup(plots.result_by_day(bot))) for bot in traded],
    )


def money(number: Decimal | None) -> str:
    """For a look: two decimals."""
    return "-" if number is None else f"{number:,.2f}"


def signed(number: Decimal | None) -> str:
    return "-" if number is None else f"{round(number, 2) + 0:+,.2f}"  # no -0.00


def exact(number: Decimal) -> str:
    """As it is booked: every decimal."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
