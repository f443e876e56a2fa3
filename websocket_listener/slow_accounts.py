from __future__ import annotations

import time
from collections.abc import Callable, Collection

from alpha.domain.ids import AccountName

ToldOfSlow = Callable[[AccountName, str], None]
"""An account is set aside, and why; or it is written again ("")."""


class SlowAccounts:
    """Accounts that PostgreSQL does not get done with in time while it does with others, as when somebody keeps their
    rows locked. Nothing is written for them for a while, so that the others go on; then they are tried again.

    Nothing is lost by that: what is let go meanwhile is not proven, and recovery reads it again. The writer's thread
    changes this, any thread may ask.
    """

    def __init__(self, told: ToldOfSlow, *, aside_s: float) -> None:
        self._told, self._aside_s = told, aside_s
        self._until_s: dict[AccountName, float] = {}

    def set_aside(self, accounts: Collection[AccountName], why: str) -> None:
        for account in sorted(accounts):
            is_new = account not in self._until_s
            self._until_s[account] = time.monotonic() + self._aside_s
            if is_new:
                self._told(account, why)

    def are_aside(self, accounts: Collection[AccountName]) -> set[AccountName]:
        """Those of the accounts that are not to be written for now."""
        if not self._until_s:
            return set()
        now_s = time.monotonic()
        return {account for account in accounts if self._until_s.get(account, 0.0) > now_s}

    def written(self, accounts: Collection[AccountName]) -> None:
        """PostgreSQL has done something for these."""
        if self._until_s:
            for account in self._until_s.keys() & set(accounts):
                del self._until_s[account]
                self._told(account, "")

    def forget(self, account: AccountName) -> None:
        """It is not ours any more."""
        self._until_s.pop(account, None)
