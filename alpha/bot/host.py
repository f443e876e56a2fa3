"""Runs one strategy: exactly-once fills, bars in order and once, hooks at the right market time. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from alpha.bot.broker import HeldPosition
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.decision import Decision
from alpha.bot.errors import BotError
from alpha.bot.fill import BotFill
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.progress import Progress
from alpha.bot.strategy import Strategy, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol

log = structlog.get_logger()

AnyStrategy = Strategy[Any, Any]


class StrategyHost:
    """The decision core. The runner (or a backtester) feeds it events from one thread and saves `checkpoint()` with
    `cursor` in one write after each; everything here is a function of those events.
    """

    def __init__(self, *, strategy: AnyStrategy, broker: GatedBroker, progress: Progress) -> None:
        self.strategy = strategy
        self._broker = broker
        self._progress = progress
        self._told: dict[Symbol, HeldPosition] = {}

    def checkpoint(self) -> Checkpoint:
        """What to save now, together with the cursor."""
        return self._progress.checkpoint(self.strategy.state.model_dump(mode="json"))

    def start(self, now: datetime) -> None:
        """Raises StrategyRefused when the strategy does not run as configured."""
        self._progress.see(now)
        with self._broker.deciding(Decision.on_start(now=self._progress.latest)):
            self.strategy.on_start()

    def stop(self) -> None:
        with self._broker.deciding(Decision.on_start(now=self._progress.latest)):
            self.strategy.on_stop()

    def observe(self, bar: Bar) -> bool:
        """Let the indicators see a bar. False when they have seen it already, or have to see earlier ones first."""
        seen = self._progress.observed.get(bar.symbol)
        if seen is not None and bar.end <= seen:
            return False
        self._broker.saw_price(bar.symbol, bar.close)
        self._progress.see(bar.end)
        if seen is not None and bar.start > seen:
            if bar.symbol in self._progress.bars_missing:
                return False
            log.warning("bars_missing", symbol=bar.symbol, since=seen.isoformat(), until=bar.start.isoformat())
        self._progress.observed[bar.symbol] = bar.end
        self.strategy.observe(bar)
        return True

    def round(self, bars: Sequence[Bar], *, trade: bool) -> bool:
        """The bars of one end, in the order of the bot's symbols: all are observed, then each is decided on if `trade`.

        Answers whether they were decided on: a round is at most once, and never an older one after a newer one.
        """
        for bar in bars:
            self.observe(bar)
        if not bars:
            return False
        end = bars[0].end
        if not trade or (self._progress.decided is not None and end <= self._progress.decided):
            return False
        self._progress.decided = end
        for bar in bars:
            with self._broker.deciding(Decision.on_bar(start=bar.start, end=bar.end)):
                self.strategy.on_bar(bar)
        return True

    def fill(self, fill: BotFill) -> bool:
        """Handle the fill that comes next. False for one handled before.

        Raises BotError for one that leaves out a number: the caller reads the ledger first.
        """
        if fill.seq <= self._progress.cursor:
            return False
        if fill.seq != self._progress.cursor + 1:
            raise BotError(f"fill {fill.seq} follows fill {self._progress.cursor}: those between have to come first")
        self._progress.cursor = fill.seq
        self._progress.moved(fill.symbol, fill.position_change)
        self._progress.orders.filled(fill.fill)
        self._progress.see(fill.at)
        with self._broker.deciding(Decision.on_fill(at=fill.at, exec_id=fill.fill.exec_id)):
            self.strategy.on_fill(fill)
        return True

    def positions(self, held: Iterable[HeldPosition]) -> None:
        """What the platform holds now; the strategy hears of those that changed since it was last told."""
        for position in held:
            before = self._told.get(position.symbol)
            self._told[position.symbol] = position
            if before is not None and _same(before, position):
                continue
            decision = Decision.on_position(
                now=self._progress.latest,
                instant=self._progress.decided or self._progress.latest,
                quantity=position.quantity,
                seq=position.seq,
            )
            with self._broker.deciding(decision):
                self.strategy.on_position(position)


def restore_state(strategy: type[AnyStrategy], saved: dict[str, Any]) -> tuple[StrategyState, str | None]:
    """The strategy's state as saved, or a new one and what is wrong with the saved one.

    A bot whose state cannot be read still has to manage the position it holds, so it starts anew and says so.
    """
    try:
        return strategy.State.model_validate(saved), None
    except ValidationError as error:
        first = error.errors()[0]
        return strategy.State(), f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _same(before: HeldPosition, after: HeldPosition) -> bool:
    return (before.position, before.stop_loss, before.take_profit, before.trailing_stop) == (
        after.position,
        after.stop_loss,
        after.take_profit,
        after.trailing_stop,
    )
