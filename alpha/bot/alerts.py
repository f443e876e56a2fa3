from __future__ import annotations

from datetime import datetime

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.service.alerts import AlertWriter, Severity

_SEVERITIES = {"position_unprotected": Severity.WARNING, "unprotected_closed": Severity.ERROR}
"""Of what keeps positions under their stops (alpha/bot/protection.py)."""


class StrategyAlerts:
    """What a strategy tells goes out as an alert of its bot: it informs, unless a position is in danger."""

    def __init__(self, writer: AlertWriter, bot: BotId, account: AccountName) -> None:
        self._writer = writer
        self._bot = bot
        self._account = account

    def alert(self, kind: str, text: str, *, symbol: Symbol | None, market_time: datetime) -> None:
        self._writer.alert(
            kind,
            text,
            severity=_SEVERITIES.get(kind, Severity.INFO),
            account=self._account,
            bot=self._bot,
            symbol=symbol,
            market_time=market_time.isoformat(),
        )
