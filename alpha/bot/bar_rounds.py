from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRound:
    """The bars of one end, in the order of the bot's symbols, and the symbols whose bar did not come."""

    end: datetime
    bars: tuple[Bar, ...]
    missing: tuple[Symbol, ...]


class BarRounds:
    """Collects bars until all symbols' bars of an end are there, so that a decision never depends on which symbol's bar
    arrived first."""

    def __init__(self, symbols: Sequence[Symbol]) -> None:
        self._symbols = tuple(symbols)
        self._waiting: dict[datetime, dict[Symbol, Bar]] = {}
        self._released_until: datetime | None = None

    @property
    def oldest_waiting(self) -> datetime | None:
        """End of the oldest round that is not complete yet."""
        return min(self._waiting, default=None)

    def add(self, bar: Bar) -> bool:
        """False for a bar of a round that is over already: it can only be observed."""
        if self._released_until is not None and bar.end <= self._released_until:
            return False
        self._waiting.setdefault(bar.end, {})[bar.symbol] = bar
        return True

    def take_ready(self) -> list[BarRound]:
        """Rounds that are complete, and incomplete ones that a complete later one has overtaken; oldest first."""
        complete = [end for end, bars in self._waiting.items() if len(bars) == len(self._symbols)]
        return self.take_until(max(complete)) if complete else []

    def take_until(self, end: datetime) -> list[BarRound]:
        """Every round that waits up to the end, complete or not; oldest first."""
        ends = sorted(waiting for waiting in self._waiting if waiting <= end)
        rounds = [self._round(each, self._waiting.pop(each)) for each in ends]
        self._released_until = max([end, *([self._released_until] if self._released_until else [])])
        return rounds

    def _round(self, end: datetime, bars: dict[Symbol, Bar]) -> BarRound:
        return BarRound(
            end=end,
            bars=tuple(bars[symbol] for symbol in self._symbols if symbol in bars),
            missing=tuple(symbol for symbol in self._symbols if symbol not in bars),
        )
