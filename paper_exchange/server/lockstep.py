"""Waiting for the bots of a bar, so that a faster market is the same market."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

FORGOTTEN_AFTER_BARS = 20
_MAX_UNSEEN = 100_000


@dataclass(slots=True)
class _Bot:
    uid: int
    done_ms: int = 0
    silent_bars: int = 0


@dataclass(slots=True)
class Lockstep:
    """Who takes part, which executions they have not seen yet, and which bar they have decided.

    A bot takes part from its first call on and is forgotten after 20 bars without one. Nobody is waited for who never
    called.
    """

    _bots: dict[str, _Bot] = field(default_factory=dict)
    _unseen: dict[int, set[str]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, bot: str, uid: int, seen: Iterable[str], done_ms: int | None) -> None:
        """A bot's call: the executions it has processed, and the end of the bar it has decided."""
        known = self._bots.setdefault(bot, _Bot(uid))
        known.uid, known.silent_bars = uid, 0
        if done_ms is not None:
            known.done_ms = max(known.done_ms, done_ms)
        self._unseen.get(uid, set()).difference_update(seen)
        self._changed.set()

    def executed(self, uid: int, exec_id: str) -> None:
        """An execution that somebody on this account should process."""
        if any(bot.uid == uid for bot in self._bots.values()):
            unseen = self._unseen.setdefault(uid, set())
            if len(unseen) < _MAX_UNSEEN:
                unseen.add(exec_id)

    def begin_bar(self) -> None:
        """One more bar: those who have been silent for long are forgotten."""
        for bot in self._bots.values():
            bot.silent_bars += 1
        self._bots = {name: bot for name, bot in self._bots.items() if bot.silent_bars <= FORGOTTEN_AFTER_BARS}
        accounts = {bot.uid for bot in self._bots.values()}
        self._unseen = {uid: unseen for uid, unseen in self._unseen.items() if uid in accounts}

    async def executions_seen(self, until: float) -> bool:
        """Waits until every execution is processed, at most to the loop time `until`; False when it was not."""
        seen = await self._wait(lambda: not any(self._unseen.values()), until)
        if not seen:
            # They will be processed some time; the bars after this one do not wait for them again.
            self._unseen.clear()
        return seen

    async def all_done(self, end_ms: int, until: float) -> bool:
        """Waits until every bot has decided the bar that ends then; False when the time is up before."""
        return await self._wait(lambda: all(bot.done_ms >= end_ms for bot in self._bots.values()), until)

    async def _wait(self, reached: Callable[[], bool], until: float) -> bool:
        loop = asyncio.get_running_loop()
        while not reached():
            left = until - loop.time()
            if left <= 0:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return reached()
        return True
