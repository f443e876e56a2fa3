from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog

from alpha.bot.gate import Deny
from alpha.domain.ids import Symbol

log = structlog.get_logger()


class Denials:
    """Counts every denial and logs one only when the reason for its symbol changes, so that a stop that lasts all night
    is one line."""

    def __init__(self, counted: Callable[[str], None]) -> None:
        self._counted = counted
        self.counts: Counter[str] = Counter()
        self._last: dict[Symbol, str] = {}

    def denied(self, symbol: Symbol, deny: Deny) -> None:
        self.counts[deny.code] += 1
        self._counted(deny.code)
        if self._last.get(symbol) != deny.code:
            self._last[symbol] = deny.code
            log.warning("entry_denied", symbol=symbol, code=deny.code, reason=deny.text)

    def allowed(self, symbol: Symbol) -> None:
        if self._last.pop(symbol, None) is not None:
            log.info("entry_allowed_again", symbol=symbol)
