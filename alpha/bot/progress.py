from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.larger_bars import FormingBar
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.bot.result import ZERO, LimitStanding, ResultState
from alpha.domain.clock import EPOCH
from alpha.domain.fill import Fill
from alpha.domain.ids import Symbol

_ENTRIES_KEPT: Final = timedelta(hours=1)


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
        self.forming: dict[tuple[Symbol, timedelta], FormingBar] = {
            (bar.symbol, bar.interval): bar for bar in checkpoint.forming
        }
        self.result = checkpoint.result or ResultState(uncosted={s: held for s, held in self.held.items() if held})
        self.settled_until = EPOCH
        """Up to which market time a look at the limits would find nothing new (`RiskLimits.look`)."""
        self.fills_unsettle = True
        """Whether a fill ends that: where no limit is on losses it does not."""
        self.catching_up = True
        self.bars_missing: dict[Symbol, datetime] = {}
        """Symbols whose indicators wait for bars that could not be had, each with the end of its newest bar. Bars that
        come meanwhile are not observed, so `observed` stays where the reading has to go on, also after a restart."""
        self.latest = max([*self.observed.values(), *([self.decided] if self.decided else [])], default=EPOCH)
        """The latest market time seen."""

    def see(self, time: datetime) -> None:
        if time > self.latest:
            self.latest = time

    def held_in(self, symbol: Symbol) -> Decimal:
        """Signed position by the fills handled."""
        return self.held.get(symbol, ZERO)

    @property
    def is_open(self) -> bool:
        """Whether the fills handled leave a position in anything."""
        return any(self.held.values())

    def filled(self, fill: Fill) -> None:
        """One more of the bot's fills: the position moves, and so does the cash."""
        symbol, change = fill.symbol, fill.position_change
        if self.fills_unsettle:
            self.settled_until = EPOCH
        self.held[symbol] = self.held.get(symbol, ZERO) + change
        self.result.cash -= change * fill.price + fill.fee

    def hold(self, held: Mapping[Symbol, Decimal]) -> None:
        """The position as the ledger has it. What differs from the fills handled is neither won nor lost: it enters the
        result at the mark price."""
        self.settled_until = EPOCH
        uncosted = self.result.uncosted
        for symbol in {*held, *self.held}:
            more = held.get(symbol, Decimal(0)) - self.held_in(symbol)
            if more:
                uncosted[symbol] = uncosted.get(symbol, Decimal(0)) + more
        self.held = dict(held)

    def entry_sent(self, at: datetime) -> None:
        oldest = at - _ENTRIES_KEPT
        self.entries = [sent for sent in self.entries if sent >= oldest]
        self.entries.append(at)

    def entries_since(self, market_time: datetime) -> int:
        return len([sent for sent in self.entries if sent >= market_time])

    def checkpoint(self, strategy: Mapping[str, Any], limits: Sequence[LimitStanding] = ()) -> Checkpoint:
        return Checkpoint(
            strategy=dict(strategy),
            observed=self.observed,
            decided=self.decided,
            held=self.held,
            entries=self.entries,
            orders=list(self.orders),
            forming=[replace(bar) for bar in self.forming.values()],
            result=deepcopy(self.result),
            limits=[standing.model_dump(mode="json") for standing in limits],
        )
