"""`/positions`, `/orders`, `/fills`, `/trades`, `/balance`."""

from __future__ import annotations

from alpha.ledger.recent import recent_fills, recent_trades
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.pages.trading_pages import fills_page, orders_page, positions_page, trades_page
from telegram_manager.rendering.pages.trust_pages import balance_page
from telegram_manager.seeing.status import status_of

FILLS, TRADES = 10, 10
"""How many without a number."""


def positions(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    return positions_page(status_of(context))


def orders(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    return orders_page(status_of(context))


def fills(context: Context, arguments: Arguments) -> Answer:
    with context.reading() as ledger:
        return fills_page(recent_fills(ledger, arguments.bot, arguments.count or FILLS), arguments.bot)


def trades(context: Context, arguments: Arguments) -> Answer:
    with context.reading() as ledger:
        return trades_page(recent_trades(ledger, arguments.bot, arguments.count or TRADES), arguments.bot)


def balance(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    found = status_of(context)
    return balance_page(found.wallets, found.at)
