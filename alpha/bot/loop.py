"""The one loop that decides: events from the readers' queue in, hooks, saved state and acknowledgements out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, Queue

import redis
import structlog

from alpha.bot.bar_rounds import BarRound, BarRounds
from alpha.bot.errors import LeaseLost
from alpha.bot.history import KlineSource, closed_bars, rounds_of
from alpha.bot.host import StrategyHost
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.live_state import LiveState
from alpha.bot.lockstep import Lockstep
from alpha.bot.market_clock import MarketClock, wall_now
from alpha.bot.metrics import BotMetrics
from alpha.bot.progress import Progress
from alpha.bot.readers import BarsArrived, BarsUnreachable, Event, FillsArrived, OrdersArrived
from alpha.bot.resume import bot_fill, held_by_ledger
from alpha.bot.saving import StateSaver
from alpha.bot.unsettled import UnsettledOrders
from alpha.config.registry import BotConfig
from alpha.domain.bar import Bar
from alpha.domain.ids import ExecId, Symbol
from alpha.exchange.errors import ExchangeError
from alpha.ledger.connection import LedgerError
from alpha.ledger.fills import RecordedFill
from alpha.live.connection import LIVE_ERRORS
from alpha.live.health import Heartbeat, write_heartbeat

log = structlog.get_logger()

_TICK_S = 0.1
_HEARTBEAT_EVERY_S = 1.0
_ROUND_PATIENCE_S = 1.0
"""How long the bars of one end are waited for after the first of them; then the rest is asked for over REST."""
_UNREACHABLE_ASK_EVERY_S = 1.0
_DISAGREED_LOOK_EVERY_S = 5.0
_FEED_LOOK_EVERY_S = 5.0
_MISSING_ASK_EVERY_S = 5.0


class DecisionLoop:
    """Runs in one thread. Everything that can change a decision passes through here in the order of arrival."""

    def __init__(
        self,
        *,
        bot: BotConfig,
        run: str,
        host: StrategyHost,
        progress: Progress,
        live: LiveState,
        clock: MarketClock,
        source: KlineSource,
        ask_time: Callable[[], datetime],
        link: LedgerLink,
        own: redis.Redis,
        saver: StateSaver,
        unsettled: UnsettledOrders,
        lockstep: Lockstep | None,
        metrics: BotMetrics,
        max_bar_age: timedelta,
        is_stopping: Callable[[], bool],
        lease_lost: Callable[[], bool],
    ) -> None:
        self._bot = bot
        self._run = run
        self._host = host
        self._progress = progress
        self._live = live
        self._clock = clock
        self._source = source
        self._ask_time = ask_time
        self._link = link
        self._own = own
        self._saver = saver
        self._unsettled = unsettled
        self._lockstep = lockstep
        self._metrics = metrics
        self._max_bar_age = max_bar_age
        self._is_stopping = is_stopping
        self._lease_lost = lease_lost
        self._interval = host.strategy.interval
        self._rounds = BarRounds(bot.symbols)
        self._round_waits_since: tuple[datetime, float] | None = None
        self._heartbeat_at = 0.0
        self._started_at = wall_now()
        self._beaten_at = time.monotonic()
        self._ask_bars_at = 0.0
        self._look_again_at = 0.0
        self._ask_missing_at = 0.0
        self._look_at_feed_at = time.monotonic() + _FEED_LOOK_EVERY_S
        self._turned_at = time.monotonic()
        self._decided_at = time.monotonic()
        self._in_time_at = time.monotonic()
        self.queue: Queue[Event] = Queue()

    def run(self) -> None:
        """Until the process is asked to stop. Raises LeaseLost when another copy took over."""
        while not self._is_stopping():
            self.turn()

    def turn(self) -> None:
        """Handle what waits in the queue, or what comes within a tick. Raises LeaseLost."""
        self._turned_at = time.monotonic()
        events = self._take()
        if self._lease_lost():
            raise LeaseLost(f"another copy of {self._bot.id} holds its lease now")
        self._handle(events)
        self._tick()

    @property
    def idle_s(self) -> float:
        """Seconds since the loop last came around: large when it hangs."""
        return time.monotonic() - self._turned_at

    @property
    def silent_s(self) -> float:
        """Seconds since a sign of life last reached Redis."""
        return time.monotonic() - self._beaten_at

    @property
    def undecided_s(self) -> float:
        """Seconds since bars were last decided on, or since the start."""
        return time.monotonic() - self._decided_at

    @property
    def late_s(self) -> float:
        """Seconds since bars were last decided on while they were young enough to trade on, or since the start: large
        when it is always behind, however busily it decides."""
        return time.monotonic() - self._in_time_at

    def decide_missed(self, rounds: Sequence[tuple[Bar, ...]]) -> None:
        """What closed while the bot was down: observed, and the newest traded on if it is still young enough."""
        for bars in rounds:
            self._clock.saw_bar(bars[0].end)
        for bars in rounds:
            self._decide(bars)

    def save(self) -> None:
        self._saver.save(self._progress.cursor, self._host.checkpoint())

    def beat(self, state: str) -> None:
        """The bot's sign of life; written by this loop, so that a loop that hangs looks dead."""
        self._heartbeat_at = time.monotonic() + _HEARTBEAT_EVERY_S
        with suppress(*LIVE_ERRORS):  # without Redis nobody could read it anyway
            write_heartbeat(
                self._own,
                Heartbeat(
                    bot=self._bot.id,
                    state=state,
                    pid=os.getpid(),
                    run=self._run,
                    last_bar_at=max(self._progress.observed.values(), default=None),
                    updated_at=wall_now(),
                    started_at=self._started_at,
                ),
            )
            self._beaten_at = time.monotonic()

    def tell_positions(self) -> None:
        """Let the strategy hear of positions that changed."""
        held = [position for symbol in self._bot.symbols if (position := self._live.position(symbol)) is not None]
        self._host.positions(held, self._clock.between_events())

    def _take(self) -> list[Event]:
        """What waits, at least one if one comes within a tick."""
        events: list[Event] = []
        with suppress(Empty):
            events.append(self.queue.get(timeout=_TICK_S))
            while True:
                events.append(self.queue.get_nowait())
        return events

    def _handle(self, events: Sequence[Event]) -> None:
        # Fills first: a bar is decided on with every fill that is known.
        fills = [fill for event in events if isinstance(event, FillsArrived) for fill in event.fills]
        for event in events:
            if isinstance(event, OrdersArrived):
                for order in event.orders:
                    self._progress.orders.reported(order)
        executions = self._handle_fills(fills)
        self.tell_positions()
        if executions:
            self.save()
            if self._lockstep is not None:
                self._lockstep.handled(executions)
        bars = [bar for event in events if isinstance(event, BarsArrived) for bar in event.bars]
        if not bars and any(isinstance(event, BarsUnreachable) for event in events):
            bars = self._bars_over_rest()
        self._handle_bars(bars)

    def _handle_fills(self, fills: Sequence[RecordedFill]) -> list[ExecId]:
        handled = []
        for recorded in fills:
            if self._host.fill(bot_fill(recorded)):
                self._metrics.fills.inc()
                log.info(
                    "fill_handled",
                    correlation_id=recorded.fill.order_link_id,
                    exec_id=recorded.fill.exec_id,
                    bot_seq=recorded.bot_seq,
                )
            handled.append(recorded.fill.exec_id)
        self._metrics.cursor.set(self._progress.cursor)
        return handled

    def _handle_bars(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            self._clock.saw_bar(bar.end)
            if not self._rounds.add(bar):
                self._observe_with_gap([bar])
        for ready in self._rounds.take_ready():
            self._decide_round(ready)
            self._goes_on()
        self._end_waiting()

    def _goes_on(self) -> None:
        """A backlog of many rounds is one turn, and no hang: there are signs of life in between."""
        self._turned_at = time.monotonic()
        if self._turned_at >= self._heartbeat_at:
            self.beat("running")

    def _end_waiting(self) -> None:
        """Bars of a round that do not come are asked for, so that one silent symbol does not hold up the others."""
        oldest = self._rounds.oldest_waiting
        now = time.monotonic()
        if oldest is None:
            self._round_waits_since = None
        elif self._round_waits_since is None or self._round_waits_since[0] != oldest:
            self._round_waits_since = (oldest, now)
        elif now - self._round_waits_since[1] >= _ROUND_PATIENCE_S:
            for overdue in self._rounds.take_until(oldest):
                self._decide_round(overdue)

    def _decide_round(self, ready: BarRound) -> None:
        bars = list(ready.bars)
        for symbol in ready.missing:
            found = self._fetch(symbol, ready.end - self._interval, ready.end)
            if found is None and symbol in self._progress.observed:
                self._miss(symbol, ready.end)
            bars += found or []
        place = {symbol: index for index, symbol in enumerate(self._bot.symbols)}
        self._decide(sorted(bars, key=lambda bar: place[bar.symbol]))

    def _decide(self, bars: Sequence[Bar]) -> None:
        if not bars:
            return
        started = time.perf_counter()
        self._decided_at = time.monotonic()
        end = bars[0].end
        self._fill_gaps(bars)
        in_time = self._clock.may_trade_on(end, self._max_bar_age)
        if in_time:
            self._in_time_at = self._decided_at
        trade = in_time and not self._progress.catching_up
        traded = self._host.round(bars, trade=trade)
        if self._progress.catching_up:
            return
        if not trade:
            log.info("old_bars_not_traded", bars_end=end.isoformat())
        self._metrics.rounds.labels(str(traded).lower()).inc()
        self._metrics.decision_seconds.observe(time.perf_counter() - started)
        self.save()
        if self._lockstep is not None:
            self._lockstep.handled(done=end)

    def _observe_with_gap(self, bars: Sequence[Bar]) -> None:
        self._fill_gaps(bars)
        for bar in bars:
            self._host.observe(bar)

    def _fill_gaps(self, bars: Sequence[Bar]) -> None:
        """Bars between what an indicator has seen and these, over REST. Where that fails the symbol's bars are missing:
        indicators never step over a hole."""
        missing = self._progress.bars_missing
        missed = {}
        for bar in bars:
            seen = self._progress.observed.get(bar.symbol)
            if seen is None or bar.end <= seen:
                continue
            found = self._fetch(bar.symbol, seen, bar.start) if seen < bar.start else []
            if found is None:
                self._miss(bar.symbol, bar.end)
                continue
            missed[bar.symbol] = found
            if bar.end >= missing.get(bar.symbol, bar.end):
                missing.pop(bar.symbol, None)
        self._observe(missed)

    def _miss(self, symbol: Symbol, until: datetime) -> None:
        missing = self._progress.bars_missing
        missing[symbol] = max(until, missing.get(symbol, until))
        self._ask_missing_at = time.monotonic() + _MISSING_ASK_EVERY_S

    def _ask_missing(self) -> None:
        """Missing bars again, up to the newest that came meanwhile."""
        missing = self._progress.bars_missing
        missed = {}
        for symbol, until in list(missing.items()):
            found = self._fetch(symbol, self._progress.observed[symbol], until)
            if found is None:
                break  # each of the others would hold up the exits for a time-out too
            if found and found[-1].end == until:
                missed[symbol] = found
                del missing[symbol]
        if missed:
            log.info("missing_bars_read", symbols=list(missed))
            self._observe(missed)
            self.save()

    def _observe(self, bars: Mapping[Symbol, Sequence[Bar]]) -> None:
        for gap in rounds_of(bars, self._bot.symbols):
            for bar in gap:
                self._host.observe(bar)

    def _fetch(self, symbol: Symbol, since: datetime, until: datetime) -> list[Bar] | None:
        """None when the exchange does not answer."""
        try:
            return closed_bars(self._source, symbol, self._interval, since, until)
        except ExchangeError as error:
            log.warning("bars_not_answered", symbol=symbol, since=since.isoformat(), error=str(error))
            return None

    def _bars_over_rest(self) -> list[Bar]:
        """Closed bars while Redis or the feed is away: exits must be decided on all the same."""
        if time.monotonic() < self._ask_bars_at:
            return []
        self._ask_bars_at = time.monotonic() + _UNREACHABLE_ASK_EVERY_S
        try:
            until = self._ask_time()
        except ExchangeError as error:
            log.warning("market_time_not_answered", error=str(error))
            return []
        bars = []
        for symbol, seen in self._progress.observed.items():
            bars += self._fetch(symbol, seen, until) or []
        return bars

    def _tick(self) -> None:
        now = time.monotonic()
        if now >= self._heartbeat_at:
            self.beat("running")
        if now >= self._look_at_feed_at:
            self._look_at_feed_at = now + _FEED_LOOK_EVERY_S
            if not self._live.feed_is_live():
                self._handle_bars(self._bars_over_rest())
        if self._progress.bars_missing and now >= self._ask_missing_at:
            self._ask_missing()
            self._ask_missing_at = time.monotonic() + _MISSING_ASK_EVERY_S
        self._end_waiting()
        self._unsettled.ask_due()
        self._saver.retry()
        if self._live.disagreed and now >= self._look_again_at:
            self._look_again_at = now + _DISAGREED_LOOK_EVERY_S
            self._read_books()

    def _read_books(self) -> None:
        """The position and the fills handled disagree: the ledger may know of a position from before the platform."""
        self._live.disagreed.clear()
        try:
            head, held = held_by_ledger(self._bot, self._link)
        except LedgerError as error:
            log.warning("books_not_read", error=str(error))
            return
        if head == self._progress.cursor:
            self._progress.hold(held)
