from __future__ import annotations

import contextlib
from collections import OrderedDict

from alpha.ledger.connection import LedgerError
from alpha.ledger.handled_updates import claim_update
from telegram_manager.ledger_thread import LedgerThread

_REMEMBERED = 10_000
_WAIT_S = 1.0


class FirstTime:
    """Whether a message or a pressed button comes for the first time.

    Remembered here and in the ledger. A ledger that is away does not hold up a command: what a person needs most then
    is the kill switch, and what Telegram delivers again after a restart is not executed anyway.
    """

    def __init__(self, ledger: LedgerThread) -> None:
        self._ledger = ledger
        self._seen: OrderedDict[str, None] = OrderedDict()

    def claim_here(self, subject: str) -> bool:
        """True once per subject in the life of this process; for what is good for one life only."""
        if subject in self._seen:
            return False
        self._seen[subject] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    async def claim(self, subject: str, update_id: int) -> bool:
        """True once per subject."""
        if not self.claim_here(subject):
            return False
        with contextlib.suppress(LedgerError, TimeoutError):
            return await self._ledger.run(
                lambda connection: claim_update(connection, subject, update_id), within_s=_WAIT_S
            )
        return True
