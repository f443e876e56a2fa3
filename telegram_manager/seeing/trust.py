"""`/proof`, `/drift`, `/alerts`."""

from __future__ import annotations

from alpha.ledger.drift import open_drift
from alpha.ledger.proofs import newest_proofs
from alpha.ledger.recent import recent_alerts
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.pages.trust_pages import alerts_page, days_of, drift_page, proof_page
from telegram_manager.seeing.market_clock import market_now
from telegram_manager.seeing.status import status_of

ALERTS, PROVEN_DAYS = 10, 7
"""How many without a number."""


def proof(context: Context, arguments: Arguments) -> Answer:
    since, until = days_of(market_now(context).date(), arguments.days or PROVEN_DAYS)
    with context.reading() as ledger:
        proofs = newest_proofs(ledger, since=since, until=until)
    return proof_page(status_of(context), proofs)


def drift(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    with context.reading() as ledger:
        return drift_page(open_drift(ledger))


def alerts(context: Context, arguments: Arguments) -> Answer:
    with context.reading() as ledger:
        return alerts_page(recent_alerts(ledger, arguments.count or ALERTS, bot=arguments.bot), arguments.bot)
