"""How loudly a bot's alerts are told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alpha.bot.alerts import StrategyAlerts
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.alerts import Severity


class Written:
    def __init__(self) -> None:
        self.alerts: list[tuple[str, Severity, BotId]] = []

    def alert(self, kind: str, text: str, *, severity: Severity, bot: BotId, **_: object) -> None:  # noqa: ARG002
        self.alerts.append((kind, severity, bot))


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("report", Severity.INFO),
        ("position_unprotected", Severity.WARNING),
        ("unprotected_closed", Severity.ERROR),
    ],
)
def test_a_position_in_danger_is_no_mere_information(kind: str, severity: Severity) -> None:
    written = Written()
    writer: Any = written
    alerts = StrategyAlerts(writer, BotId("canary_001"), AccountName("canary"))
    alerts.alert(kind, "text", symbol=Symbol("BTCUSDT"), market_time=datetime(2026, 1, 1, tzinfo=UTC))
    assert written.alerts == [(kind, severity, "canary_001")]
