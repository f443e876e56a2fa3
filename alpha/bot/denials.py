from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import structlog

from alpha.bot.gate import NOTIONAL_CODES, Deny
from alpha.bot.ports import AlertPort
from alpha.domain.ids import Symbol

log = structlog.get_logger()


class Denials:
    """Counts every denial and logs one only when the reason for its symbol changes, so that a stop that lasts all night
    is one line. One for its size is told to a person, too: the size rule and the limits do not fit each other."""

    def __init__(self, counted: Callable[[str], None], alerts: AlertPort) -> None:
        self._counted = counted
        self._alerts = alerts
        self.counts: Counter[str] = Counter()
        self._last: dict[Symbol, str] = {}

    def denied(self, symbol: Symbol, deny: Deny, *, market_time: datetime) -> None:
        self.counts[deny.code] += 1
        self._counted(deny.code)
        if self._last.get(symbol) != deny.code:
            self._last[symbol] = deny.code
            log.warning("entry_denied", symbol=symbol, code=deny.code, reason=deny.text)
            if deny.code in NOTIONAL_CODES:
                text = f"entry denied: {deny.text}"
                self._alerts.alert("entry_denied", text, symbol=symbol, market_time=market_time)

    def allowed(self, symbol: Symbol) -> None:
        if self._last.pop(symbol, None) is not None:
            log.info("entry_allowed_again", symbol=symbol)
