"""One connection to the ledger in one thread, for what an event loop asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from alpha.ledger.connection import Connection, Dsn, LedgerUnavailable, connect

T = TypeVar("T")


class LedgerThread:
    """Runs functions of a connection one after the other and connects again after a loss. Ask from one event loop."""

    def __init__(self, dsn: Dsn, name: str) -> None:
        self._dsn, self._name = dsn, name
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, work: Callable[[Connection], T], *, within_s: float | None = None) -> T:
        """What `work` returns. Raises what it raises, LedgerUnavailable above all, and TimeoutError after `within_s`:
        then the work may still be done, and what is asked next waits behind it."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)
        return await asyncio.wait_for(asyncio.shield(running), within_s)

    def close(self) -> None:
        """Lets what is running finish."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=True, cancel_futures=False)

    def _run(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, self._name)
        try:
            return work(self._connection)
        except LedgerUnavailable:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
