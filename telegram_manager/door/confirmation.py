"""One-time codes: what is dangerous is done only when the person who asked says so again, soon, in the same message."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, unique

from telegram_manager.parsing import Call

LIFETIME = timedelta(seconds=60)
_MOST_WAITING = 200


@unique
class Refusal(StrEnum):
    """Why a code does nothing. The value is what the person is told."""

    UNKNOWN = "This confirmation was used already, or is of before the last start. Ask again."
    EXPIRED = "This confirmation has expired. Ask again."
    NOT_YOURS = "Somebody else asked this: only that person can confirm it."
    OTHER_MESSAGE = "This code belongs to another message. Ask again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that waits for its confirmation. `times_left` counts the confirmations it needs, this one included."""

    code: str
    user: int
    chat: int
    call: Call
    spoken: str
    """The command as it was written."""
    times_left: int
    expires_at: datetime
    message: int | None = None
    """The message that asks; until it is known the code opens nothing."""


class Confirmations:
    """The codes that are out. Kept in memory only: a restart makes all of them void, which is what it should do."""

    def __init__(self, clock: Callable[[], datetime], lifetime: timedelta = LIFETIME) -> None:
        self._clock, self._lifetime = clock, lifetime
        self._pending: dict[str, Pending] = {}

    def ask(self, call: Call, spoken: str, *, user: int, chat: int, times: int) -> Pending:
        """A new code for this command. Bind it to the message that shows it."""
        self._forget_expired()
        pending = Pending(
            code=secrets.token_hex(8),
            user=user,
            chat=chat,
            call=call,
            spoken=spoken,
            times_left=times,
            expires_at=self._clock() + self._lifetime,
        )
        self._pending[pending.code] = pending
        return pending

    def bind(self, pending: Pending, message: int) -> None:
        """The code now opens from this message only."""
        if pending.code in self._pending:
            self._pending[pending.code] = replace(pending, message=message)

    def is_unbound(self, code: str) -> bool:
        """Whether the code is out and its message not known yet."""
        pending = self._pending.get(code)
        return pending is not None and pending.message is None

    def take(self, code: str, *, user: int, chat: int, message: int) -> Pending | Refusal:
        """The command of a code, once. A code used by the wrong person or from the wrong message stays as it is."""
        pending = self._pending.get(code)
        if pending is None:
            return Refusal.UNKNOWN
        if pending.user != user:
            return Refusal.NOT_YOURS
        if (pending.chat, pending.message) != (chat, message):
            return Refusal.OTHER_MESSAGE
        del self._pending[code]
        return Refusal.EXPIRED if self._clock() >= pending.expires_at else pending

    def _forget_expired(self) -> None:
        """An expired code still answers that it has expired, until there are many."""
        if len(self._pending) >= _MOST_WAITING:
            now = self._clock()
            alive = {code: pending for code, pending in self._pending.items() if pending.expires_at > now}
            self._pending = dict(list(alive.items())[-_MOST_WAITING + 1 :])
