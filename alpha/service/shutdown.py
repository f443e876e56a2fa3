"""Ending on SIGTERM and Ctrl-C, in threads and in asyncio alike."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from types import FrameType

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Set once, by a signal or by `set()`, and never unset.

    Built on a pipe that becomes readable, not on threading.Event: setting an Event inside a signal handler can
    deadlock with the very wait that the signal interrupts.
    """

    def __init__(self) -> None:
        self._set = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def install(self) -> StopSignal:
        """Has SIGTERM and SIGINT set it. Must be called by the main thread. Returns itself."""
        for number in _STOPPING:
            signal.signal(number, self._on_signal)
        return self

    def set(self) -> None:
        """Asks everybody who waits to stop."""
        if not self._set:
            self._set = True
            os.write(self._write_end, b"!")

    def is_set(self) -> bool:
        """Whether the process shall stop."""
        return self._set

    def wait(self, seconds: float | None = None) -> bool:
        """Sleeps up to `seconds` (None: without end), less when it is set. Returns whether it is set."""
        if not self._set:
            waiting = select.poll()
            waiting.register(self._read_end, select.POLLIN)
            waiting.poll(None if seconds is None else max(seconds, 0.0) * 1000)
        return self._set

    async def wait_async(self, seconds: float | None = None) -> bool:
        """As `wait`, for a coroutine."""
        if self._set:
            return True
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()

        def on_readable() -> None:
            if not readable.done():
                readable.set_result(None)

        # A descriptor of its own for each waiter: a loop keeps one callback per descriptor.
        own = os.dup(self._read_end)
        loop.add_reader(own, on_readable)
        try:
            await asyncio.wait((readable,), timeout=seconds)
        finally:
            loop.remove_reader(own)
            os.close(own)
        return self._set

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.set()
