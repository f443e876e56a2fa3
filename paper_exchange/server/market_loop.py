"""The market's clock: one step after the other on a steady schedule, waiting for bots where they need it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.line_file import Unwritable
from paper_exchange.market.source import BASE_INTERVAL, MarketStep
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.lockstep import Lockstep

log = structlog.get_logger()

_BASE_MS = int(BASE_INTERVAL.total_seconds() * 1000)

_BETWEEN_WRITES_S = 0.5

Arrived = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class _PauseRequest:
    """Somebody waits for the market to stand still: after `bars_left` steps, or sooner where a position is open or the
    market time `until` is reached. `at_once` means without keeping to the schedule."""

    when_position_open: bool
    bars_left: int | None
    paused: asyncio.Future[None]
    until: datetime | None = None
    at_once: bool = False


class MarketLoop:
    """Moves the exchange while it is not paused.

    Steps (bars, or shorter where the market has them) start at fixed instants, their length / `speed` apart. A step
    that took longer than its time makes the next ones start at once until the schedule is met again; a delay of more
    than a whole step is given up, so that bots are not rushed through a burst of bars. A market that others make moves
    when it has `arrived`, whatever the speed. `bars_waited` counts steps whose bots needed longer than the schedule
    had, `bars_timed_out` those that went on without them.
    """

    def __init__(
        self,
        exchange: Exchange,
        broadcast: Broadcast,
        lockstep: Lockstep | None,
        *,
        speed: float,
        paused: bool,
        arrived: Arrived | None = None,
    ) -> None:
        self._exchange = exchange
        self._broadcast = broadcast
        self._lockstep = lockstep
        self._arrived = arrived
        self._speed = speed
        self._running = asyncio.Event()
        if not paused:
            self._running.set()
        self._changed = asyncio.Event()
        self._in_bar = False
        self._pause: list[_PauseRequest] = []
        self.bars = 0
        self.bars_waited = 0
        self.bars_timed_out = 0
        self.ended = False
        self.held_by: str | None = None
        """Why the market stands still that nobody has paused, and what to do about it."""

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    @property
    def speed(self) -> float:
        """Market seconds per wall second."""
        return self._speed

    async def run(self) -> None:
        """Runs until cancelled. What goes wrong in here ends the exchange: a market in doubt must not go on."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        if self._lockstep is not None:
            await self._lockstep.bots_there()
        while True:
            if self.paused:
                await self._running.wait()
                last = loop.time()
            due = await self._next_is_due(last)
            if self.paused:
                continue
            last = due
            self._in_bar = True
            try:
                await self._bar(due)
            finally:
                self._in_bar = False
            self._pause_where_asked()

    def resume(self) -> None:
        """Lets the market move; nothing happens when it has ended."""
        if not self.ended:
            self._running.set()

    def set_speed(self, speed: float) -> None:
        """From the step that is being waited for on."""
        self._speed = speed
        self._changed.set()

    async def pause(self, *, when_position_open: bool, within_bars: int) -> None:
        """Returns when the market stands still: at once, or at the first bar end with an open position, at the latest
        after `within_bars`."""
        bars = within_bars if when_position_open else 0
        request = self._ask_to_pause(bars, when_position_open=when_position_open)
        if not self._in_bar:
            self._pause_where_asked(bar_ended=False)
        await request.paused

    async def run_bars(self, bars: int, *, at_once: bool = False) -> None:
        """Lets the market move by so many bars, fewer where it ends, and returns when it stands still again."""
        await self._run_and_pause(self._ask_to_pause(bars, when_position_open=False, at_once=at_once), go=bars > 0)

    async def run_until(self, time: datetime) -> None:
        """Lets the market move at once, without its schedule, to the first step that ends at the time or later, and
        returns when it stands still."""
        request = self._ask_to_pause(None, when_position_open=False, until=time, at_once=True)
        await self._run_and_pause(request, go=self._exchange.now < time)

    def has_open_position(self) -> bool:
        return any(
            position.side is not None
            for account in self._exchange.accounts.all
            for position in self._exchange.engine.positions(account.uid)
        )

    async def _run_and_pause(self, request: _PauseRequest, *, go: bool) -> None:
        self.resume()
        self._changed.set()
        if self.ended or not go:
            self._pause_where_asked(bar_ended=False)
        await request.paused

    def _ask_to_pause(
        self, bars: int | None, *, when_position_open: bool, until: datetime | None = None, at_once: bool = False
    ) -> _PauseRequest:
        future = asyncio.get_running_loop().create_future()
        request = _PauseRequest(when_position_open, bars, future, until, at_once)
        self._pause.append(request)
        return request

    async def _next_is_due(self, last: float) -> float:
        """Returns when the next step is to be made, also when paused meanwhile: the instant at which it was due."""
        if self._arrived is not None:
            await self._arrived(self._exchange.steps)
            return last
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if any(request.at_once for request in self._pause):
                # Sockets and requests are served between two steps all the same.
                await asyncio.sleep(0)
                return loop.time()
            due = max(last + self._period_s, loop.time() - self._period_s)
            left = due - loop.time()
            if left <= 0:
                await asyncio.sleep(0)
                return due
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
                    continue
            return due

    @property
    def _period_s(self) -> float:
        return self._exchange.source.step_interval.total_seconds() / self._speed

    async def _bar(self, due: float) -> None:
        since = self._exchange.now
        step = await self._advance()
        if step is None:
            log.info("market_ended", market_time=self._exchange.now.isoformat(), bars=self.bars)
            self.ended = True
            self._running.clear()
            return
        self.bars += 1
        events = self._broadcast.now()
        if self._lockstep is None:
            self._broadcast.moved(since)
            return
        deadline = self._lockstep.deadline()
        self._lockstep.begin_bar((event.uid, event.exec_id) for event in events if isinstance(event, Execution))
        handled = await self._lockstep.executions_handled(deadline)
        self._broadcast.moved(since)
        end_ms = to_ms(step.end)
        # Bots decide on closed bars; a shorter step closes none.
        done = end_ms % _BASE_MS != 0 or await self._lockstep.bots_done(end_ms, deadline)
        if not (handled and done):
            self.bars_timed_out += 1
        if asyncio.get_running_loop().time() > due + self._period_s:
            self.bars_waited += 1

    async def _advance(self) -> MarketStep | None:
        """The next step. While what has to be written down before it counts cannot be, the market stands still."""
        while True:
            try:
                step = self._exchange.advance()
            except Unwritable as error:
                if self.held_by is None:
                    log.error("market_held", reason=str(error), market_time=self._exchange.now.isoformat())
                self.held_by = str(error)
                await asyncio.sleep(_BETWEEN_WRITES_S)
            else:
                if self.held_by is not None:
                    log.info("market_goes_on", market_time=self._exchange.now.isoformat())
                self.held_by = None
                return step

    def _pause_where_asked(self, *, bar_ended: bool = True) -> None:
        if not self._pause:
            return
        is_open = any(request.when_position_open for request in self._pause) and self.has_open_position()
        stand_still = self.paused
        for request in self._pause:
            if request.bars_left is not None:
                request.bars_left -= bar_ended
                stand_still |= request.bars_left <= 0
            stand_still |= request.when_position_open and is_open
            stand_still |= request.until is not None and self._exchange.now >= request.until
        if not stand_still:
            return
        self._running.clear()
        for request in self._pause:
            if not request.paused.done():
                request.paused.set_result(None)
        self._pause.clear()
