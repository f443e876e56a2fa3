from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import Alert, Severity
from telegram_manager.notifier.daily import last_due
from telegram_manager.notifier.news import alert_news

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def fold_of(text: str, *, kind: str = "k", bot: str | None = None, severity: Severity = Severity.WARNING) -> str | None:
    alert = Alert(
        kind=kind,
        text=text,
        severity=severity,
        service="listener",
        at=NOW,
        account=AccountName("canary"),
        bot=None if bot is None else BotId(bot),
    )
    return alert_news(alert).fold


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("lost 3 frames in 1.5 s", "lost 12 frames in 0.25 s"),
        ("since 10:30:15, -1,204.50 USDT", "since 10:31:00, +7 USDT"),
    ],
)
def test_alerts_that_differ_in_figures_only_are_the_same(text: str, other: str) -> None:
    assert fold_of(text) == fold_of(other)


def test_names_kinds_and_owners_tell_alerts_apart() -> None:
    first = fold_of("canary_001 died with code 1")
    assert fold_of("canary_002 died with code 1") != first
    assert fold_of("canary_001 died with code 1", kind="other") != first
    assert fold_of("canary_001 died with code 1", bot="canary_001") != first
    assert fold_of("canary_001 died with code 1", severity=Severity.CRITICAL) != first


def test_a_report_is_like_no_other() -> None:
    assert fold_of("flat", kind="report") is None


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 21, 0, 4, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 21, 0, 5, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 23, 59, tzinfo=UTC), date(2026, 11, 20)),
    ],
)
def test_the_summary_is_of_the_day_that_has_ended(now: datetime, due: date) -> None:
    assert last_due(now, time(0, 5)) == due
