from __future__ import annotations

import asyncio

from paper_exchange.server.lockstep import Lockstep


async def test_a_market_that_is_back_in_time_waits_for_its_bots_again() -> None:
    lockstep = Lockstep(is_full=True, expected=1)
    lockstep.hear("bot", 1, [], 900_000)
    lockstep.begin_bar([(1, "undone")])
    lockstep.begin_again()
    # what was made before is nobody's to handle any more, what is made now has to be decided on
    assert await lockstep.executions_handled(None)
    lockstep.begin_bar([])
    waiting = asyncio.ensure_future(lockstep.bots_done(300_000, None))
    await asyncio.sleep(0)
    assert (waiting.done(), lockstep.waiting_for()) == (False, ["bot"])
    lockstep.hear("bot", 1, [], 300_000)
    assert await asyncio.wait_for(waiting, 10)
