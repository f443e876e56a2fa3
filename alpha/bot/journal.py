from __future__ import annotations

from decimal import Decimal

import structlog

from alpha.bot.broker import Outcome, OutcomeStatus
from alpha.bot.errors import JournalUnavailable
from alpha.bot.intent import Intent
from alpha.bot.ledger_link import LedgerLink
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import LedgerError
from alpha.ledger.intents import IntentOutcome, OrderIntent, save_intent, set_intent_outcome

log = structlog.get_logger()

_OUTCOMES = {
    OutcomeStatus.ACCEPTED: IntentOutcome.ACCEPTED,
    OutcomeStatus.REFUSED: IntentOutcome.REFUSED,
    OutcomeStatus.NOT_SENT: IntentOutcome.REFUSED,
    OutcomeStatus.UNKNOWN: IntentOutcome.UNKNOWN,
}


class LedgerJournal:
    """`order_intents` as the broker's journal."""

    def __init__(self, link: LedgerLink, bot: BotId, account: AccountName) -> None:
        self._link = link
        self._bot = bot
        self._account = account

    def record(self, order_link_id: str, intent: Intent) -> None:
        row = OrderIntent(
            order_link_id=order_link_id,
            bot=self._bot,
            account=self._account,
            symbol=intent.symbol,
            side=intent.side,
            order_type=intent.order_type,
            quantity=intent.quantity,
            price=intent.price,
            reduce_only=intent.reduce_only,
            reason=intent.reason,
            bar=intent.bar,
            decision_price=intent.reference_price or Decimal(0),
        )
        try:
            self._link.run(lambda connection: save_intent(connection, row))
        except LedgerError as error:
            raise JournalUnavailable(f"the order cannot be written down before sending: {error}") from error

    def settle(self, order_link_id: str, outcome: Outcome) -> None:
        code = int(outcome.code) if outcome.code.isdecimal() else None
        try:
            self._link.run(
                lambda connection: set_intent_outcome(
                    connection, order_link_id, _OUTCOMES[outcome.status], code=code, text=outcome.text
                )
            )
        except LedgerError as error:
            log.warning("intent_not_settled", order_link_id=order_link_id, error=str(error))
