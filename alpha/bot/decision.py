from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import to_ms
from alpha.domain.ids import ExecId, Symbol
from alpha.domain.reason import Reason


class Decision:
    """One call of a hook: what time it is for the strategy, and what makes its order ids.

    The ids are a function of the event that is decided on, never of when or how often it is: the same event handled
    again after a crash makes the same ids and the exchange refuses the duplicates. `scope` tells events of different
    kinds apart; two orders of one event and reason differ by their ordinal.
    """

    __slots__ = ("_counted_for", "_ordinals", "instant", "is_hint", "names", "now")

    def __init__(
        self, now: datetime, instant: datetime, names: tuple[object, ...] = (), *, is_hint: bool = False
    ) -> None:
        """`is_hint`: what is decided on may be told again although nothing happened. An entry is asked for once of it;
        an exit as often as it is told, since whoever still sees the position must close it, and it only reduces."""
        self.now = now
        self.instant = instant
        self.names = names
        self.is_hint = is_hint
        self._ordinals: dict[tuple[Symbol, Reason], int] | None = None
        self._counted_for: datetime | None = None

    def scope_of(self, reason: Reason) -> str:
        # Made when it is needed, as the ordinals are: of a backtest's millions of decisions few ask for an order.
        names = self.names if reason.opens_risk or not self.is_hint else (*self.names, to_ms(self.now))
        return "/".join(map(str, names))

    def next_ordinal(self, symbol: Symbol, reason: Reason) -> int:
        asked = symbol, reason
        # One object serves all decisions on fed bars, one bar after another (`StrategyHost.rounds`).
        if self._ordinals is None or self._counted_for != self.instant:
            self._ordinals, self._counted_for = {asked: 1}, self.instant
            return 0
        ordinal = self._ordinals.get(asked, 0)
        self._ordinals[asked] = ordinal + 1
        return ordinal

    @classmethod
    def on_bar(cls, *, start: datetime, end: datetime, scope: str = "") -> Decision:
        """`scope` tells longer bars from the fed one that begins with them."""
        return cls(end, start, (scope,) if scope else ())

    @classmethod
    def on_fill(cls, *, at: datetime, exec_id: ExecId) -> Decision:
        return cls(at, at, ("fill", exec_id))

    @classmethod
    def on_position(cls, *, now: datetime, instant: datetime, quantity: Decimal) -> Decision:
        """`instant` is when bars were last decided on. What the exchange counts (its seq) is left out: it counts what
        others trade too, and the ids of a bot's orders must not depend on them."""
        return cls(now, instant, ("position", format(quantity.normalize(), "f")), is_hint=True)

    @classmethod
    def on_start(cls, *, now: datetime) -> Decision:
        return cls(now=now, instant=now, names=("start", to_ms(now)))
