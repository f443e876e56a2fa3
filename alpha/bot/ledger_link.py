from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from alpha.ledger.connection import Connection, Dsn, LedgerUnavailable, connect

T = TypeVar("T")

_DOWN_FOR_S = 1.0


class LedgerLink:
    """A connection to the ledger that is opened when needed and again after it broke. For one thread.

    While the database is away only one attempt a second is made; what comes between fails at once, so that a decision
    waits for it once and not at every step.
    """

    def __init__(self, dsn: Dsn, name: str, *, pooled: bool, timeout_s: float = 2.0) -> None:
        self._dsn = dsn
        self._name = name
        self._pooled = pooled
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._down_until = 0.0
        self.trouble = ""
        """What PostgreSQL said the last time it could not do its work; "" when it could."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work, which must bear repeating: after a broken connection it is done once more on a new one.

        Raises LedgerUnavailable, or LedgerRefused as the work does.
        """
        if time.monotonic() < self._down_until:
            raise LedgerUnavailable(f"PostgreSQL at {self._dsn.host}:{self._dsn.port} was away a moment ago")
        was_open = self._connection is not None
        try:
            return self._do(work)
        except LedgerUnavailable:
            if not was_open:
                self._down_until = time.monotonic() + _DOWN_FOR_S
                raise
        try:
            return self._do(work)
        except LedgerUnavailable:
            self._down_until = time.monotonic() + _DOWN_FOR_S
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _do(self, work: Callable[[Connection], T]) -> T:
        try:
            done = work(self._open())
        except LedgerUnavailable as error:
            self.close()
            self.trouble = str(error)
            raise
        self.trouble = ""
        return done

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, self._name, self._timeout_s, pooled=self._pooled)
        return self._connection
