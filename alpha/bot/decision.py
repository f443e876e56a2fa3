from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import to_ms
from alpha.domain.ids import ExecId, Symbol
from alpha.domain.reason import Reason


@dataclass(slots=True)
class Decision:
    """One call of a hook: what time it is for the strategy, and what makes its order ids.

    The ids are a function of the event that is decided on, never of when or how often it is: the same event handled
    again after a crash makes the same ids and the exchange refuses the duplicates. `scope` tells events of different
    kinds apart; two orders of one event and reason differ by their ordinal.
    """

    now: datetime
    instant: datetime
    scope: str = ""
    _ordinals: Counter[tuple[Symbol, Reason]] | None = None

    def next_ordinal(self, symbol: Symbol, reason: Reason) -> int:
        # Made when it is needed: of a backtest's millions of decisions few ask for an order.
        ordinals = self._ordinals = Counter() if self._ordinals is None else self._ordinals
        ordinal = ordinals[symbol, reason]
        ordinals[symbol, reason] += 1
        return ordinal

    @classmethod
    def on_bar(cls, *, start: datetime, end: datetime, scope: str = "") -> Decision:
        """`scope` tells longer bars from the fed one that begins with them."""
        return cls(end, start, scope)

    @classmethod
    def on_fill(cls, *, at: datetime, exec_id: ExecId) -> Decision:
        return cls(now=at, instant=at, scope=f"fill/{exec_id}")

    @classmethod
    def on_position(cls, *, now: datetime, instant: datetime, quantity: Decimal, seq: int) -> Decision:
        return cls(now=now, instant=instant, scope=f"position/{quantity}/{seq}")

    @classmethod
    def on_start(cls, *, now: datetime) -> Decision:
        return cls(now=now, instant=now, scope=f"start/{to_ms(now)}")
