"""One account's trouble is its own."""

from __future__ import annotations

import asyncio

from websocket_listener.supervision import supervised


async def test_a_task_that_fails_is_told_and_begun_again_and_the_others_do_not_notice() -> None:
    told: list[str] = []
    begun: list[int] = []
    ending = asyncio.Event()

    async def stumbles() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ZeroDivisionError(f"our bug {len(begun)}")
        await ending.wait()

    failing = asyncio.create_task(supervised("main", stumbles, lambda error: told.append(str(error)), again_after_s=0))
    async with asyncio.timeout(5):
        while len(begun) < 3:
            await asyncio.sleep(0)
        assert told == ["our bug 1", "our bug 2"]
        assert not failing.done()
        ending.set()
        await failing


async def test_who_is_told_to_end_ends() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised("main", waits, lambda _: None))
    await asyncio.sleep(0)
    task.cancel()
    assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
