from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType


class InOrder:
    """A queue of commands, in the order in which they came. Everything but `Place.leave_from_thread` belongs to the
    event loop."""

    def __init__(self) -> None:
        self._places: deque[Place] = deque()

    def take(self, spoken: str) -> Place:
        """The last place; to be left again in any case. Never waits, so that whoever asks first is first."""
        place = Place(self, spoken)
        self._places.append(place)
        self.call_first()
        return place

    def remove(self, place: Place) -> None:
        """Gone already is fine."""
        if place in self._places:
            self._places.remove(place)
            self.call_first()

    def call_first(self) -> None:
        if self._places:
            self._places[0].turn.set()

    @property
    def first(self) -> str:
        """The command that all others wait for."""
        return self._places[0].spoken if self._places else ""


class Place:
    """One command in the queue; left at the end of `with`."""

    def __init__(self, queue: InOrder, spoken: str) -> None:
        self._queue, self.spoken = queue, spoken
        self._loop = asyncio.get_running_loop()
        self.turn = asyncio.Event()

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    async def until_first(self, within_s: float | None = None) -> bool:
        """Whether all that came before has left."""
        try:
            await asyncio.wait_for(self.turn.wait(), within_s)
        except TimeoutError:
            return False
        return True

    @property
    def behind(self) -> str:
        """The command that is being carried out before this one."""
        return self._queue.first

    def leave(self) -> None:
        """Lets the next one begin."""
        self._queue.remove(self)

    def leave_from_thread(self) -> None:
        """The same, from the thread that carries out the command."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(self.leave)
