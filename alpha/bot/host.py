"""Runs one strategy: exactly-once fills, bars in order and once, hooks at the right market time. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from pydantic import ValidationError

from alpha.bot.broker import HeldPosition
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.decision import Decision
from alpha.bot.errors import BotError
from alpha.bot.fill import BotFill
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.larger_bars import FormingBar, check_larger
from alpha.bot.progress import Progress
from alpha.bot.strategy import Strategy, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol

log = structlog.get_logger()

AnyStrategy = Strategy[Any, Any]

_REMIND_AFTER: Final = timedelta(seconds=5)


class StrategyHost:
    """The decision core. The runner (or a backtester) feeds it events from one thread and saves `checkpoint()` with
    `cursor` in one write after each; everything here is a function of those events. Fills that `began_with` names are
    in the position that the bot began with: they are counted, and nothing else.
    """

    def __init__(
        self,
        *,
        strategy: AnyStrategy,
        broker: GatedBroker,
        progress: Progress,
        began_with: Callable[[BotFill], bool] | None = None,
    ) -> None:
        self.strategy = strategy
        self._broker = broker
        self._progress = progress
        self._began_with = began_with
        self._newest = broker.newest
        self._on_bars = Decision.on_bar(start=progress.latest, end=progress.latest)
        self._decides_rounds = _has_its_own(strategy, "on_round")
        # Hooks that the strategy does not have need no decision to be opened for them.
        self._hears_fills = _has_its_own(strategy, "on_fill")
        self._hears_positions = _has_its_own(strategy, "on_position")
        self._told: dict[Symbol, tuple[HeldPosition, datetime]] = {}
        self._larger = sorted(strategy.larger_intervals)
        for larger in self._larger:
            check_larger(strategy.interval, larger)
        self._closed: list[Bar] = []
        """Longer bars that the bars observed since the last round have completed."""

    def checkpoint(self) -> Checkpoint:
        """What to save now, together with the cursor."""
        return self._progress.checkpoint(self.strategy.state.model_dump(mode="json"), self._broker.limit_standings())

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
        symbol, end, progress = bar.symbol, bar.end, self._progress
        observed = progress.observed
        seen = observed.get(symbol)
        if seen != bar.start and seen is not None:
            if end <= seen:
                return False
            if bar.start > seen:
                if symbol in progress.bars_missing:
                    self._newest[symbol] = bar
                    progress.see(end)
                    return False
                log.warning("bars_missing", symbol=symbol, since=seen.isoformat(), until=bar.start.isoformat())
        self._newest[symbol] = bar
        if end > progress.latest:
            progress.latest = end
        observed[symbol] = end
        self.strategy.observe(bar)
        if self._larger:
            self._build(bar)
        return True

    def warm_up_larger(self, interval: timedelta, bars: Sequence[Bar]) -> None:
        """Longer bars from history, oldest first, for a symbol none of whose bars were observed. Building goes on from
        the end of the last one."""
        for bar in bars:
            self.strategy.observe(bar)
            self._progress.forming[bar.symbol, interval] = FormingBar.at(bar.symbol, interval, bar.end)

    def round(self, bars: Sequence[Bar], *, trade: bool) -> bool:
        """The bars of one end, in the order of the bot's symbols: all are observed, then each is decided on if `trade`.

        Answers whether they were decided on: a round is at most once, and never an older one after a newer one.
        """
        decided = self._progress.decided
        if trade and bars and (decided is None or bars[0].end > decided):
            self.rounds((tuple(bars),))
            return True
        self._closed.clear()
        for bar in bars:
            self.observe(bar)
        return False

    def rounds(self, rounds: Iterable[tuple[Bar, ...]]) -> None:
        """Round after round, each later than all before it and none of them empty, observed and decided on.

        Whoever gives them out may let other events be handled before the next one. What a bar of a backtest costs is
        mostly this loop, so what is the same for all of them is looked up once, and nothing is called that need not be.
        """
        progress, broker, strategy, newest = self._progress, self._broker, self.strategy, self._newest
        observed, decision, closed = progress.observed, self._on_bars, self._closed
        decides_rounds = self._decides_rounds
        closed.clear()
        # Longer bars are built in `observe`: then no bar is taken the short way.
        ends: dict[Symbol, datetime] = {} if self._larger else observed
        for bars in rounds:
            for bar in bars:
                symbol = bar.symbol
                # Recordings give out the very end of a bar as the start of the next one.
                if ends.get(symbol) is not bar.start:
                    self.observe(bar)
                else:  # what that comes to for a bar that follows the one before
                    newest[symbol] = bar
                    observed[symbol] = bar.end
                    strategy.observe(bar)
            end = bar.end
            if end > progress.latest:
                progress.latest = end
            progress.decided = decision.now = end
            decision.instant = bar.start
            is_looked_at = end >= progress.settled_until
            if is_looked_at:
                broker.begin_round(end)
            # As `with broker.deciding(...)` does, at less cost; so for a fill and a position.
            broker.decision = decision
            try:
                if decides_rounds:
                    strategy.on_round(bars)
                else:  # what its on_round would ask, without asking it
                    for bar in bars:
                        strategy.on_bar(bar)
            finally:
                broker.decision = None
            if closed:
                self._decide_larger(end)
                closed.clear()
            if is_looked_at:
                broker.end_round()

    def fill(self, fill: BotFill) -> bool:
        """Handle the fill that comes next. False for one handled before, or only to be counted.

        Raises BotError for one that leaves out a number: the caller reads the ledger first.
        """
        progress, told = self._progress, fill.fill
        if fill.seq <= progress.cursor:
            return False
        if fill.seq != progress.cursor + 1:
            raise BotError(f"fill {fill.seq} follows fill {progress.cursor}: those between have to come first")
        progress.cursor = fill.seq
        if self._began_with is not None and self._began_with(fill):
            return False
        progress.filled(told)
        progress.orders.filled(told)
        progress.see(told.exec_time)
        if self._hears_fills:
            self._broker.decision = Decision.on_fill(at=told.exec_time, exec_id=told.exec_id)
            try:
                self.strategy.on_fill(fill)
            finally:
                self._broker.decision = None
        return True

    def positions(self, held: Iterable[HeldPosition], now: datetime | None = None) -> None:
        """What the platform holds; the strategy hears of those that changed since it was last told. As market time goes
        on between events (`now`), it hears again and again of one without any stop, so that it can act between bars."""
        if not self._hears_positions:
            return
        latest = self._progress.latest
        at = latest if now is None else max(now, latest)
        for position in held:
            before = self._told.get(position.symbol)
            if before is not None and _same(before[0], position):
                is_bare = position.stop_loss is None and position.trailing_stop is None and not position.is_flat
                if now is None or not is_bare or at - before[1] < _REMIND_AFTER:
                    continue
            self._told[position.symbol] = position, at
            decision = Decision.on_position(
                now=at,
                instant=self._progress.decided or self._progress.latest,
                quantity=position.quantity,
            )
            self._broker.decision = decision
            try:
                self.strategy.on_position(position)
            finally:
                self._broker.decision = None

    def _decide_larger(self, end: datetime) -> None:
        for larger in self._larger:
            if completed := [bar for bar in self._closed if bar.interval == larger and bar.end == end]:
                scope = f"bar/{larger // timedelta(minutes=1)}"
                with self._broker.deciding(Decision.on_bar(start=completed[0].start, end=end, scope=scope)):
                    self.strategy.on_round(completed)

    def _build(self, bar: Bar) -> None:
        for larger in self._larger:
            forming = self._progress.forming.get((bar.symbol, larger))
            if forming is None:
                forming = FormingBar.at(bar.symbol, larger, bar.start)
                self._progress.forming[bar.symbol, larger] = forming
            closed = forming.add(bar)
            if closed is not None:
                self._closed.append(closed)
                self.strategy.observe(closed)


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
    return (
        before.position == after.position
        and before.stop_loss == after.stop_loss
        and before.take_profit == after.take_profit
        and before.trailing_stop == after.trailing_stop
    )


def _has_its_own(strategy: AnyStrategy, hook: str) -> bool:
    """Whether the hook is another than the base class's: of its own class, or set on the strategy itself."""
    return hook in getattr(strategy, "__dict__", ()) or getattr(type(strategy), hook) is not getattr(Strategy, hook)
