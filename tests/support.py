"""What tests of every room need: waiting without guessing, ports, and the servers they run against."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from alpha.local.ports import free_port

if TYPE_CHECKING:
    from alpha.ledger.connection import Dsn

__all__ = ["Database", "NotInTime", "eventually", "free_port"]

T = TypeVar("T")


class NotInTime(AssertionError):
    """Something that a test waits for did not happen."""


def eventually(
    check: Callable[[], T | None], within_s: float = 30.0, what: str = "the expected state", *, every_s: float = 0.02
) -> T:
    """Calls `check` until it returns something true, and returns that. Raises NotInTime with the last answer.

    An AssertionError in the check counts as "not yet"; any other exception is the test's own failure.
    """
    give_up = time.monotonic() + within_s
    while True:
        try:
            last: object = (found := check())
        except AssertionError as error:
            last = error
        else:
            if found:
                return found
        if time.monotonic() > give_up:
            raise NotInTime(f"{what}: not within {within_s} s; last seen: {last!r}")
        time.sleep(every_s)


@dataclass
class Database:
    """One migrated database of a test, and the ways to log in to it."""

    owner: Dsn
    passwords: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Group -> (login, password)."""

    def dsn(self, group: str) -> Dsn:
        """How a member of a group connects: ledger_writer, sync_writer, bot, reader, commander or backup."""
        login, password = self.passwords[group]
        return replace(self.owner, user=login, password=password)
