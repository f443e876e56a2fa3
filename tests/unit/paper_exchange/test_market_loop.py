"""The market's pace, in an event loop whose time passes only where a test lets it: what waits for time where it should
wait for a bot waits in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from alpha.domain.clock import to_ms
from paper_exchange.engine.events import Event
from paper_exchange.market.source import MarketStep
from paper_exchange.server.broadcast import Broadcast
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.lockstep import Lockstep
from paper_exchange.server.market_loop import MarketLoop

# Parts of a second that floats have exactly.
PERIOD_S, TICK_S = 1 / 8, 1 / 64
STEP = timedelta(minutes=5)
BOT, UID = "canary_001", 100_002


class StandingTime(asyncio.SelectorEventLoop):
    """Its time moves by `pass_time` alone."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    async def pass_time(self, seconds: float, *, tick_s: float = TICK_S) -> None:
        """All that is due by then happens, each thing at the first tick that is not before its time."""
        until = self._now + seconds
        while self._now < until:
            self._now = min(until, self._now + tick_s)
            await settle()


class Market:
    """An exchange, and its source, that does nothing but move."""

    step_interval = STEP

    def __init__(self) -> None:
        self.source = self
        self.now = datetime(2025, 10, 14, tzinfo=UTC)
        self.steps = 0
        self.moved_at: list[float] = []
        self.on_step: Callable[[int], object] = lambda _: None

    @property
    def end_ms(self) -> int:
        return to_ms(self.now)

    def advance(self) -> MarketStep:
        start, self.now = self.now, self.now + STEP
        self.steps += 1
        self.moved_at.append(asyncio.get_running_loop().time())
        self.on_step(self.end_ms)
        return MarketStep(start=start, end=self.now, bars={}, marks={}, funding={})


class NobodyListens:
    def now(self) -> list[Event]:
        return []

    def moved(self, since: datetime) -> None: ...


def in_standing_time(test: Callable[[StandingTime], Coroutine[Any, Any, None]]) -> None:
    """Runs the test as the one thing that such a loop is for."""
    with asyncio.Runner(loop_factory=StandingTime) as runner:
        runner.run(test(cast(StandingTime, runner.get_loop())))


async def settle() -> None:
    """Until everything has happened that no time has to pass for."""
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(market: Market, lockstep: Lockstep) -> AsyncIterator[MarketLoop]:
    clock = MarketLoop(
        cast(Exchange, market),
        cast(Broadcast, NobodyListens()),
        lockstep,
        speed=STEP.total_seconds() / PERIOD_S,
        paused=True,
    )
    task = asyncio.ensure_future(clock.run())
    await settle()
    try:
        yield clock
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_bar_waits_for_its_bot_and_goes_on_as_soon_as_it_is_done() -> None:
    async def test(_: StandingTime) -> None:
        market, lockstep = Market(), Lockstep()
        lockstep.hear(BOT, UID, [], None)
        async with running(market, lockstep) as clock:
            ran = asyncio.ensure_future(clock.run_bars(10, at_once=True))
            for bar in range(1, 11):
                await settle()
                assert (clock.bars, lockstep.waiting_for(), ran.done()) == (bar, [BOT], False)
                lockstep.hear(BOT, UID, [], market.end_ms)
            await settle()
            assert (clock.bars, clock.bars_timed_out, ran.done()) == (10, 0, True)

    in_standing_time(test)


def test_a_bar_waits_for_a_silent_bot_a_quarter_second_at_most_and_for_a_forgotten_one_not_at_all() -> None:
    async def test(time: StandingTime) -> None:
        market, lockstep = Market(), Lockstep()
        lockstep.hear(BOT, UID, [], None)
        async with running(market, lockstep) as clock:
            ran = asyncio.ensure_future(clock.run_bars(30, at_once=True))
            await settle()
            for bar in range(1, 21):
                assert (clock.bars, clock.bars_timed_out) == (bar, bar - 1)
                await time.pass_time(0.25 - TICK_S)
                assert (clock.bars, clock.bars_timed_out) == (bar, bar - 1)
                await time.pass_time(TICK_S)
            assert (clock.bars, clock.bars_timed_out, ran.done()) == (30, 20, True)

    in_standing_time(test)


@pytest.mark.parametrize(
    ("bot_needs_s", "apart_s", "waited"), [(0, PERIOD_S, 0), (PERIOD_S / 2, PERIOD_S, 0), (PERIOD_S * 1.5, 0.1875, 8)]
)
def test_bars_keep_their_schedule_unless_a_bot_needs_longer(bot_needs_s: float, apart_s: float, waited: int) -> None:
    """What each bar costs does not add up; a bot that needs longer than a bar has sets the pace itself."""

    async def test(time: StandingTime) -> None:
        market, lockstep = Market(), Lockstep()
        market.on_step = lambda end_ms: time.call_later(bot_needs_s, lockstep.hear, BOT, UID, [], end_ms)
        lockstep.hear(BOT, UID, [], None)
        async with running(market, lockstep) as clock:
            ran = asyncio.ensure_future(clock.run_bars(8))
            await settle()
            await time.pass_time(2)
            assert ran.done()
        assert market.moved_at == [PERIOD_S + n * apart_s for n in range(8)]
        assert (clock.bars_waited, clock.bars_timed_out) == (waited, 0)

    in_standing_time(test)


def test_bars_that_begin_late_do_not_make_later_ones_late() -> None:
    async def test(time: StandingTime) -> None:
        market = Market()
        async with running(market, Lockstep()) as clock:
            ran = asyncio.ensure_future(clock.run_bars(8))
            await settle()
            await time.pass_time(1.5, tick_s=3 * TICK_S)
            assert ran.done()
        # due every 8 ticks, and made at the next third one
        assert [at / TICK_S for at in market.moved_at] == [9, 18, 24, 33, 42, 48, 57, 66]

    in_standing_time(test)
