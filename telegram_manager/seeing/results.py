"""`/daily` and `/analytics`."""

from __future__ import annotations

from datetime import date, timedelta

from alpha.ledger import analytics as figures
from alpha.ledger.analytics import Window
from telegram_manager.charts.result_chart import result_chart
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.pages.results_pages import analytics_page, daily_page, day_page
from telegram_manager.seeing.market_clock import market_now

DAYS_LISTED, DAYS_ANALYSED = 14, 30
"""How many without a number."""


def daily(context: Context, arguments: Arguments) -> Answer:
    today = market_now(context).date()
    with context.reading() as ledger:
        days = figures.figures_by_day(ledger, arguments.bot, today, arguments.count or DAYS_LISTED)
    return daily_page(days, arguments.bot)


def day_result(context: Context, day: date) -> Answer:
    """What each bot made on one day of the market."""
    with context.reading() as ledger:
        made = figures.figures(ledger, Window(day, day), None)
        bots = figures.figures_by_bot(ledger, Window(day, day))
    return day_page(day, made, bots)


def analytics(context: Context, arguments: Arguments) -> Answer:
    """Of a bot or of all, over the last so many days of the market, today included."""
    bot = arguments.bot
    today = market_now(context).date()
    window = Window(today - timedelta(days=(arguments.days or DAYS_ANALYSED) - 1), today)
    with context.reading() as ledger:
        made = figures.figures(ledger, window, bot)
        curve = figures.curve(ledger, window, bot)
        bots = figures.figures_by_bot(ledger, window) if bot is None else {}
        symbols = figures.figures_by_symbol(ledger, window, bot)
        reasons = figures.figures_by_reason(ledger, window, bot)
    title = f"{bot or 'all bots'}, {window.since:%Y-%m-%d} to {window.until:%Y-%m-%d} UTC"
    chart = result_chart(curve, title) if curve.steps else None
    return analytics_page(window, bot, made, curve, bots=bots, symbols=symbols, reasons=reasons, chart=chart)
