"""The market's clock: one step per bar, on schedule, waiting for bots in between."""

from __future__ import annotations

import asyncio

import structlog

from alpha.domain.clock import to_ms
from paper_exchange.engine import Execution
from paper_exchange.market.source import BASE_INTERVAL
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.publishing import Publisher

log = structlog.get_logger()

WAIT_FOR_BOTS_S = 0.25


class MarketLoop:
    """Runs the market at `speed` market seconds per wall second.

    Per bar: the step with all its fills; what happened is published; bots have seen their executions; closed bars are
    published; bots have decided. The bots have 250 ms per bar in all. A bar begins at its scheduled instant, or as soon
    as the one before is over; lost time is not made up for.
    """

    def __init__(
        self, exchange: PaperExchange, publisher: Publisher, lockstep: Lockstep | None, *, speed: float, paused: bool
    ) -> None:
        self._exchange, self._publisher, self._lockstep = exchange, publisher, lockstep
        self._bar_s = BASE_INTERVAL.total_seconds() / speed
        self._moving = asyncio.Event()
        self._standing = asyncio.Event()
        self._pause_at_position: int | None = None
        self.bars_waited = 0
        self.bars_timed_out = 0
        self.ended = False
        if paused:
            self._standing.set()
        else:
            self._moving.set()

    @property
    def paused(self) -> bool:
        return self._standing.is_set()

    def resume(self) -> None:
        self._pause_at_position = None
        self._standing.clear()
        self._moving.set()

    async def pause(self, *, when_position_open: bool, within_bars: int) -> None:
        """Returns when the market stands still: at the end of this bar, or of the first with a position open."""
        if self.paused:
            return
        self._pause_at_position = within_bars if when_position_open else 0
        await self._standing.wait()

    async def run(self) -> None:
        """Until cancelled, or until the market ends."""
        loop = asyncio.get_running_loop()
        scheduled = loop.time()
        while True:
            if not self._moving.is_set():
                await self._moving.wait()
                scheduled = loop.time()
            scheduled = max(scheduled + self._bar_s, loop.time())
            await asyncio.sleep(scheduled - loop.time())
            if not await self._bar(scheduled):
                log.info("market_ended", market_time=self._exchange.now.isoformat())
                self.ended = True
                self._stand()
                await self._moving.wait()
            self._look_at_pause()

    async def _bar(self, began: float) -> bool:
        if self._exchange.step() is None:
            return False
        events = self._exchange.take_events()
        until = began + WAIT_FOR_BOTS_S
        if self._lockstep is not None:
            self._lockstep.begin_bar()
            for event in events:
                if isinstance(event, Execution):
                    self._lockstep.executed(event.uid, event.exec_id)
        self._publisher.publish_events(events)
        in_time = self._lockstep is None or await self._lockstep.executions_seen(until)
        self._publisher.publish_market()
        if self._lockstep is not None:
            end_ms = to_ms(self._exchange.now)
            in_time = await self._lockstep.all_done(end_ms, until) and in_time
            self.bars_timed_out += not in_time
            self.bars_waited += asyncio.get_running_loop().time() > began + self._bar_s
        return True

    def _look_at_pause(self) -> None:
        if self._pause_at_position is None:
            return
        if self._pause_at_position <= 0 or self._exchange.open_positions:
            self._stand()
        else:
            self._pause_at_position -= 1

    def _stand(self) -> None:
        self._pause_at_position = None
        self._moving.clear()
        self._standing.set()
