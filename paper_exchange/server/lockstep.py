"""Lockstep: the market waits for its bots. Soft: not for ever. Full: until they are done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

FORGOTTEN_AFTER_BARS = 20
LONGEST_WAIT_S = 0.25


@dataclass(slots=True)
class _Bot:
    uid: int
    done_ms: int
    last_heard_bar: int


class Lockstep:
    """Which bots there are, which executions they have handled, and up to which bar end they have decided.

    A bot is known from its first call. Soft lockstep waits a quarter of a second for each bar at most and forgets a bot
    after 20 bars without a call, so that a dead one slows the market for a moment only. Full lockstep waits as long as
    it takes, from the start on for `expected` bots; a bot that is gone for good has to be forgotten by hand.

    Several bots may share an account; an execution counts as handled when any of them says so, because only its owner
    will.
    """

    def __init__(self, *, is_full: bool = False, expected: int = 0) -> None:
        self._is_full = is_full
        self._expected = expected
        self._bots: dict[str, _Bot] = {}
        self._unhandled: dict[str, int] = {}
        self._heard = asyncio.Event()
        self._bar = 0
        self._bar_end_ms = 0

    def hear(self, bot: str, uid: int, executions: Iterable[str], done_ms: int | None) -> None:
        known = self._bots.get(bot)
        done = -1 if known is None else known.done_ms
        self._bots[bot] = _Bot(uid, max(done, -1 if done_ms is None else done_ms), self._bar)
        for exec_id in executions:
            self._unhandled.pop(exec_id, None)
        self._heard.set()

    def forget(self, bot: str) -> bool:
        """Nobody waits for it any more, nor for what its account has not handled. Whether it was known."""
        gone = self._bots.pop(bot, None)
        if gone is None:
            return False
        self._expected = max(0, self._expected - 1)
        left = {other.uid for other in self._bots.values()}
        self._unhandled = {exec_id: uid for exec_id, uid in self._unhandled.items() if uid in left}
        self._heard.set()
        return True

    def begin_again(self) -> None:
        """The market is back at an earlier time: what bots have decided on, and had to handle, never happened."""
        for bot in self._bots.values():
            bot.done_ms = -1
        self._unhandled.clear()
        self._heard.set()

    def waiting_for(self) -> list[str]:
        """The bots that have not decided on the last bar."""
        return sorted(name for name, bot in self._bots.items() if bot.done_ms < self._bar_end_ms)

    async def bots_there(self) -> None:
        """Full lockstep: returns when as many bots are known as were expected. Soft: at once."""
        if self._is_full:
            await self._until(lambda: len(self._bots) >= self._expected, None)

    def begin_bar(self, executions: Iterable[tuple[int, str]]) -> None:
        """A bar was made with these executions (uid, id); those of accounts without a bot are nobody's to handle."""
        self._bar += 1
        if not self._is_full:
            self._bots = {
                name: bot for name, bot in self._bots.items() if self._bar - bot.last_heard_bar <= FORGOTTEN_AFTER_BARS
            }
        uids = {bot.uid for bot in self._bots.values()}
        self._unhandled = {exec_id: uid for uid, exec_id in executions if uid in uids}

    def deadline(self) -> float | None:
        """The event loop's time until which the bar that begins now waits, None for as long as it takes."""
        return None if self._is_full else asyncio.get_running_loop().time() + LONGEST_WAIT_S

    async def executions_handled(self, deadline: float | None) -> bool:
        """Waits until all are, at most to the deadline. Whether they were."""
        return await self._until(lambda: not self._unhandled, deadline)

    async def bots_done(self, bar_end_ms: int, deadline: float | None) -> bool:
        """Waits until every known bot has decided on the bar that ended then. Whether they had."""
        self._bar_end_ms = bar_end_ms
        return await self._until(lambda: all(bot.done_ms >= bar_end_ms for bot in self._bots.values()), deadline)

    async def _until(self, met: Callable[[], bool], deadline: float | None) -> bool:
        loop = asyncio.get_running_loop()
        while not met():
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                return False
            self._heard.clear()
            try:
                async with asyncio.timeout(left):
                    await self._heard.wait()
            except TimeoutError:
                return met()
        return True
