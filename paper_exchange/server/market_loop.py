"""The market's clock: one bar after the other on a steady schedule, waiting for bots where they need it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.market.source import BASE_INTERVAL
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.private_stream import PrivateStream
from paper_exchange.server.public_stream import PublicStream

log = structlog.get_logger()

_LONGEST_WAIT_S = 0.25


@dataclass(slots=True)
class _PauseRequest:
    """Somebody waits for the market to stand still: after `bars_left` bars, or sooner where a position is open."""

    when_position_open: bool
    bars_left: int
    paused: asyncio.Future[None]


class MarketLoop:
    """Moves the exchange while it is not paused.

    Bars start at fixed instants, `300 / speed` seconds apart. A bar that took longer than its time makes the next ones
    start at once until the schedule is met again; a delay of more than a whole bar is given up, so that bots are not
    rushed through a burst of bars. `bars_waited` counts bars whose bots needed longer than the schedule had,
    `bars_timed_out` those that went on without them.
    """

    def __init__(
        self,
        exchange: Exchange,
        private: PrivateStream,
        public: PublicStream,
        lockstep: Lockstep | None,
        *,
        speed: float,
        paused: bool,
    ) -> None:
        self._exchange = exchange
        self._private = private
        self._public = public
        self._lockstep = lockstep
        self._period_s = BASE_INTERVAL.total_seconds() / speed
        self._running = asyncio.Event()
        if not paused:
            self._running.set()
        self._in_bar = False
        self._pause: list[_PauseRequest] = []
        self.bars = 0
        self.bars_waited = 0
        self.bars_timed_out = 0
        self.ended = False

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    async def run(self) -> None:
        """Runs until cancelled. What goes wrong in here ends the exchange: a market in doubt must not go on."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self.paused:
                await self._running.wait()
                due = loop.time()
            due = max(due + self._period_s, loop.time() - self._period_s)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if self.paused:
                continue
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

    async def pause(self, *, when_position_open: bool, within_bars: int) -> None:
        """Returns when the market stands still: at once, or at the first bar end with an open position, at the latest
        after `within_bars`."""
        bars = within_bars if when_position_open else 0
        request = self._ask_to_pause(bars, when_position_open=when_position_open)
        if not self._in_bar:
            self._pause_where_asked(bar_ended=False)
        await request.paused

    async def run_bars(self, bars: int) -> None:
        """Lets the market move by so many bars, fewer where it ends, and returns when it stands still again."""
        request = self._ask_to_pause(bars, when_position_open=False)
        self.resume()
        if self.ended or not bars:
            self._pause_where_asked(bar_ended=False)
        await request.paused

    def has_open_position(self) -> bool:
        return any(
            position.side is not None
            for account in self._exchange.accounts.all
            for position in self._exchange.engine.positions(account.uid)
        )

    def _ask_to_pause(self, bars: int, *, when_position_open: bool) -> _PauseRequest:
        request = _PauseRequest(when_position_open, bars, asyncio.get_running_loop().create_future())
        self._pause.append(request)
        return request

    async def _bar(self, due: float) -> None:
        step = self._exchange.advance()
        if step is None:
            log.info("market_ended", market_time=self._exchange.now.isoformat(), bars=self.bars)
            self.ended = True
            self._running.clear()
            return
        self.bars += 1
        events = self._exchange.take_events()
        self._private.publish(events)
        if self._lockstep is None:
            self._public.publish_bar()
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LONGEST_WAIT_S
        self._lockstep.begin_bar((event.uid, event.exec_id) for event in events if isinstance(event, Execution))
        handled = await self._lockstep.executions_handled(deadline)
        self._public.publish_bar()
        done = await self._lockstep.bots_done(to_ms(step.end), deadline)
        if not (handled and done):
            self.bars_timed_out += 1
        if loop.time() > due + self._period_s:
            self.bars_waited += 1

    def _pause_where_asked(self, *, bar_ended: bool = True) -> None:
        if not self._pause:
            return
        is_open = self.has_open_position()
        for request in self._pause:
            request.bars_left -= bar_ended
        stand_still = self.paused or any(
            request.bars_left <= 0 or (request.when_position_open and is_open) for request in self._pause
        )
        if not stand_still:
            return
        self._running.clear()
        for request in self._pause:
            if not request.paused.done():
                request.paused.set_result(None)
        self._pause.clear()
