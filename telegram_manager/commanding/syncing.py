"""Asking the sync service to compare an account with the exchange at once."""

from __future__ import annotations

import time
from dataclasses import dataclass

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import AccountName
from alpha.ledger.sync_requests import SyncRequest, request_sync, sync_request
from telegram_manager.commanding.desk import Desk, Progress, say_nothing

DONE_WITHIN_S = 120.0

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """`request.done_at` is None when the service has not answered in time; it will, when it runs."""

    account: AccountName
    request: SyncRequest
    took_s: float

    @property
    def ok(self) -> bool:
        return bool(self.request.ok)


def sync_account(
    desk: Desk,
    account: AccountName,
    *,
    by: str,
    why: str,
    within_s: float = DONE_WITHIN_S,
    progress: Progress = say_nothing,
) -> SyncReport:
    """Raises ConfigError and LedgerError."""
    name = desk.registry.account(account).name
    began_s = time.monotonic()
    with desk.ledger() as connection:
        number = request_sync(connection, name, by=by, why=why)
        progress(f"{name}: asked the sync service")
        told = False
        while True:
            request = sync_request(connection, number)
            if request is None:
                raise InvariantViolated(f"sync request {number} is gone")
            took_s = time.monotonic() - began_s
            if request.done_at is not None or took_s >= within_s:
                return SyncReport(account=name, request=request, took_s=took_s)
            if request.taken_at is not None and not told:
                told = True
                progress(f"{name}: being synchronised")
            time.sleep(_LOOK_EVERY_S)
