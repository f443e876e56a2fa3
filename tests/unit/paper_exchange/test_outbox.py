"""Frames that are sent later than they were made."""

from __future__ import annotations

import asyncio
from typing import cast

from paper_exchange.server.outbox import Outbox
from paper_exchange.server.sockets import Socket


class Heard:
    """A socket that keeps what is sent to it, and when."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, float]] = []

    def send(self, frame: str) -> None:
        self.frames.append((frame, asyncio.get_running_loop().time()))


async def test_each_frame_waits_for_its_own_time_and_those_of_one_time_keep_their_order():
    loop, heard, outbox = asyncio.get_running_loop(), Heard(), Outbox()
    sockets, now = [cast(Socket, heard)], loop.time()
    dues = {"last": now + 0.3, "first": now + 0.1, "second": now + 0.2, "third": now + 0.2}
    for frame, due in dues.items():
        outbox.send_at(due, frame, sockets)
    async with asyncio.timeout(10):
        while len(heard.frames) < 4:
            await asyncio.sleep(0.01)
    assert [frame for frame, _ in heard.frames] == ["first", "second", "third", "last"]
    # a timer may be early by the resolution of the clock, never by more
    assert all(at >= dues[frame] - 0.01 for frame, at in heard.frames)


async def test_what_is_due_is_sent_at_once_and_behind_what_was_due_before():
    loop, heard, outbox = asyncio.get_running_loop(), Heard(), Outbox()
    sockets, now = [cast(Socket, heard)], loop.time()
    outbox.send_at(now + 0.001, "waiting", sockets)
    while loop.time() < now + 0.001:
        pass
    outbox.send_at(loop.time(), "due", sockets)
    assert [frame for frame, _ in heard.frames] == ["waiting", "due"]
