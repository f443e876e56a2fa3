"""Soft lockstep: the market waits for its bots, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

FORGOTTEN_AFTER_BARS = 20


@dataclass(slots=True)
class _Bot:
    uid: int
    done_ms: int
    last_heard_bar: int


class Lockstep:
    """Which bots there are, which executions they have handled, and up to which bar end they have decided.

    A bot is known from its first call and forgotten after 20 bars without one, so that a dead bot slows the market for
    a moment only. Several bots may share an account; an execution counts as handled when any of them says so, because
    only its owner will.
    """

    def __init__(self) -> None:
        self._bots: dict[str, _Bot] = {}
        self._unhandled: set[str] = set()
        self._heard = asyncio.Event()
        self._bar = 0

    def hear(self, bot: str, uid: int, executions: Iterable[str], done_ms: int | None) -> None:
        known = self._bots.get(bot)
        done = -1 if known is None else known.done_ms
        self._bots[bot] = _Bot(uid, max(done, -1 if done_ms is None else done_ms), self._bar)
        self._unhandled.difference_update(executions)
        self._heard.set()

    def begin_bar(self, executions: Iterable[tuple[int, str]]) -> None:
        """A bar was made with these executions (uid, id); those of accounts without a bot are nobody's to handle."""
        self._bar += 1
        self._bots = {
            name: bot for name, bot in self._bots.items() if self._bar - bot.last_heard_bar <= FORGOTTEN_AFTER_BARS
        }
        uids = {bot.uid for bot in self._bots.values()}
        self._unhandled = {exec_id for uid, exec_id in executions if uid in uids}

    async def executions_handled(self, deadline: float) -> bool:
        """Waits until all are, at most to the event loop's time `deadline`. Whether they were."""
        return await self._until(lambda: not self._unhandled, deadline)

    async def bots_done(self, bar_end_ms: int, deadline: float) -> bool:
        """Waits until every known bot has decided on the bar that ended then. Whether they had."""
        return await self._until(lambda: all(bot.done_ms >= bar_end_ms for bot in self._bots.values()), deadline)

    async def _until(self, met: Callable[[], bool], deadline: float) -> bool:
        loop = asyncio.get_running_loop()
        while not met():
            left = deadline - loop.time()
            if left <= 0:
                return False
            self._heard.clear()
            try:
                async with asyncio.timeout(left):
                    await self._heard.wait()
            except TimeoutError:
                return met()
        return True
