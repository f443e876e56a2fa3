from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from alpha.service.shutdown import StopSignal


@pytest.fixture
def installed() -> Iterator[StopSignal]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield StopSignal().install()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_of_the_main_thread_and_of_others(installed: StopSignal, number: signal.Signals) -> None:
    ended: list[bool] = []
    others = [threading.Thread(target=lambda: ended.append(installed.wait(30))) for _ in range(3)]
    for other in others:
        other.start()
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    before = time.monotonic()
    assert installed.wait(30)
    for other in others:
        other.join(5)
    assert ended == [True] * 3
    assert time.monotonic() - before < 5


def test_a_wait_without_a_signal_takes_its_time_and_says_no() -> None:
    stop = StopSignal()
    before = time.monotonic()
    assert not stop.wait(0.05)
    assert time.monotonic() - before >= 0.05
    stop.set()
    stop.set()
    assert stop.is_set()
    assert stop.wait()


async def test_coroutines_wait_side_by_side(installed: StopSignal) -> None:
    assert not await installed.wait_async(0.01)
    waiting = [asyncio.create_task(installed.wait_async(30)) for _ in range(3)]
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
    assert await asyncio.gather(*waiting) == [True] * 3
    assert await installed.wait_async()
