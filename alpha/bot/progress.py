from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.domain.clock import EPOCH
from alpha.domain.ids import Symbol

_ENTRIES_KEPT = timedelta(hours=1)


class Progress:
    """How far a bot has come: what it continues from after a restart, together with its strategy's state.

    `cursor` is the number of the last fill handled, `held` the position that the fills handled make, `observed` and
    `decided` as in `Checkpoint`. `catching_up` until everything that happened while the bot was down has been handled.
    """

    def __init__(self, checkpoint: Checkpoint, cursor: int) -> None:
        self.cursor = cursor
        self.observed: dict[Symbol, datetime] = dict(checkpoint.observed)
        self.decided = checkpoint.decided
        self.held: dict[Symbol, Decimal] = dict(checkpoint.held)
        self.entries: list[datetime] = list(checkpoint.entries)
        self.orders = OrdersInFlight(checkpoint.orders)
        self.catching_up = True
        self.bars_missing: dict[Symbol, datetime] = {}
        """Symbols whose indicators wait for bars that could not be had, each with the end of its newest bar. Bars that
        come meanwhile are not observed, so `observed` stays where the reading has to go on, also after a restart."""
        self._latest = max([*self.observed.values(), *([self.decided] if self.decided else [])], default=EPOCH)

    @property
    def latest(self) -> datetime:
        """The latest market time seen."""
        return self._latest

    def see(self, time: datetime) -> None:
        self._latest = max(self._latest, time)

    def held_in(self, symbol: Symbol) -> Decimal:
        """Signed position by the fills handled."""
        return self.held.get(symbol, Decimal(0))

    def moved(self, symbol: Symbol, change: Decimal) -> None:
        self.held[symbol] = self.held_in(symbol) + change

    def entry_sent(self, at: datetime) -> None:
        self.entries = [*(sent for sent in self.entries if at - sent <= _ENTRIES_KEPT), at]

    def entries_since(self, market_time: datetime) -> int:
        return sum(1 for sent in self.entries if sent >= market_time)

    def checkpoint(self, strategy: Mapping[str, Any]) -> Checkpoint:
        return Checkpoint(
            strategy=dict(strategy),
            observed=self.observed,
            decided=self.decided,
            held=self.held,
            entries=self.entries,
            orders=list(self.orders),
        )
