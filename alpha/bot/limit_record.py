from __future__ import annotations

import structlog

from alpha.bot.ledger_link import LedgerLink
from alpha.bot.result import LimitEvent
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import LedgerError
from alpha.ledger.controls import bot_scope
from alpha.service.alerts import AlertWriter, Severity

log = structlog.get_logger()

_SEVERITIES = {
    "limit_reached": Severity.ERROR,
    "entry_denied": Severity.WARNING,
    "halt_lifted": Severity.INFO,
}


class LedgerLimitRecord:
    """Limits reached and halts lifted, as alerts and in the audit trail."""

    def __init__(self, link: LedgerLink, alerts: AlertWriter, bot: BotId, account: AccountName) -> None:
        self._link = link
        self._alerts = alerts
        self._bot = bot
        self._account = account

    def tell(self, event: LimitEvent) -> None:
        self._alerts.alert(
            event.action,
            f"{self._bot}: {event.text}",
            severity=_SEVERITIES[event.action],
            account=self._account,
            bot=self._bot,
            limit=event.limit,
            market_time=event.market_time.isoformat(),
        )

    def audit(self, event: LimitEvent) -> bool:
        try:
            self._link.run(
                lambda connection: add_audit_event(
                    connection,
                    actor=str(self._bot),
                    action=event.action,
                    subject=bot_scope(self._bot),
                    why=event.text,
                    detail={"limit": event.limit, "market_time": event.market_time.isoformat()},
                )
            )
        except LedgerError as error:
            log.warning("limit_not_audited", limit=event.limit, error=str(error))
            return False
        return True
