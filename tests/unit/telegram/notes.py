"""Notifications for tests, told by what matters in the case at hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import Severity
from alpha.ledger.notifications import Notification, Recipient

START = datetime(2026, 11, 21, 3, tzinfo=UTC)


def a_notification(
    number: int = 1,
    text: str = "something",
    *,
    severity: Severity = Severity.WARNING,
    kind: str = "kind",
    bot: str | None = None,
    account: str | None = None,
    times: int = 1,
    sent: bool = False,
    detail: dict[str, Any] | None = None,
) -> Notification:
    at = START + timedelta(seconds=number)
    return Notification(
        number=number,
        recipient=Recipient("c2", "1"),
        kind=kind,
        severity=severity,
        text=text,
        account=None if account is None else AccountName(account),
        bot=None if bot is None else BotId(bot),
        detail=detail or {},
        times=times,
        first_at=START,
        last_at=at,
        queued_at=at,
        sent_at=at if sent else None,
        repeats=0,
        acknowledged_by=None,
    )
