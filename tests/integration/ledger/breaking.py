"""Connections that break where a test says: at which step of a batch, and how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from enum import Enum, auto
from typing import Any

import psycopg2
from psycopg2 import extensions

from alpha.ledger.connection import Connection, Dsn, connect, transaction


class Break(Enum):
    """What happens at the step. Steps are the statements and the commit."""

    REFUSE = auto()
    """The step fails and the connection lives."""
    END_BEFORE = auto()
    """The server ends the session before the step."""
    END_AFTER = auto()
    """It ends the session after the step: of a commit nobody hears that it happened."""


class BreakingConnection(Connection):
    """Counts the steps since `break_at`, and breaks at that one."""

    owner: Dsn
    steps = 0
    broken_at: str | None = None
    _countdown: int | None = None
    _how = Break.REFUSE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = _BreakingCursor

    def break_at(self, step: int | None, how: Break = Break.REFUSE) -> None:
        self._countdown, self._how, self.steps, self.broken_at = step, how, 0, None

    def step(self, name: str, work: Callable[[], None]) -> None:
        self.steps += 1
        if self._countdown is None or self.steps != self._countdown:
            work()
            return
        self._countdown, self.broken_at = None, name
        if self._how is Break.REFUSE:
            with closing(extensions.cursor(self)) as cursor:
                cursor.execute("SELECT 1 / 0")
        if self._how is Break.END_AFTER:
            work()
        with closing(connect(type(self).owner, "tests")) as owner, transaction(owner) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (self.info.backend_pid,))
        if self._how is Break.END_AFTER:
            self.close()
            raise psycopg2.OperationalError("the answer was lost")
        work()

    def commit(self) -> None:
        self.step("commit", super().commit)


class _BreakingCursor(extensions.cursor):
    connection: BreakingConnection

    def execute(self, query: Any, parameters: Any = None) -> None:
        self.connection.step(str(query), lambda: super(_BreakingCursor, self).execute(query, parameters))

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self.connection.step(str(sql), lambda: super(_BreakingCursor, self).copy_expert(sql, file, size))
