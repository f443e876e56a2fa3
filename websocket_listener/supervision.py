"""One task per account, none of which ends before it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

_AGAIN_AFTER_S = 1.0


async def supervised(
    account: str,
    run: Callable[[], Awaitable[None]],
    on_failure: Callable[[Exception], None],
    *,
    again_after_s: float = _AGAIN_AFTER_S,
) -> None:
    """Runs until `run` returns. A failure of ours ends neither the account's stream nor anybody else's: it is told by
    `on_failure`, and begun again after a pause."""
    while True:
        try:
            await run()
        except Exception as error:
            log.exception("account_task_failed", account=account)
            on_failure(error)
            await asyncio.sleep(again_after_s)
        else:
            return
