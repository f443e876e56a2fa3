"""Frames that are sent later than they were made."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from paper_exchange.server.sockets import Socket


class _Waiting(NamedTuple):
    due: float
    number: int
    frame: str
    sockets: Sequence[Socket]


class Outbox:
    """Sends each frame when it is due, frames of one instant in the order in which they were given."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._numbers = count()

    def send_at(self, due: float, frame: str, sockets: Sequence[Socket]) -> None:
        """`due` is the event loop's time; what is due already is sent before this returns.

        To these sockets: what one of them has not received when it ends is lost, as on a real connection.
        """
        loop = asyncio.get_running_loop()
        heapq.heappush(self._waiting, _Waiting(due, next(self._numbers), frame, sockets))
        if due <= loop.time():
            self._send_due(due)
        else:
            loop.call_at(due, self._send_due, due)

    def _send_due(self, until: float) -> None:
        while self._waiting and self._waiting[0].due <= until:
            waiting = heapq.heappop(self._waiting)
            for socket in waiting.sockets:
                socket.send(waiting.frame)
