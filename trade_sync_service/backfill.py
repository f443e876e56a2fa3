"""The past before the first contact: opened here, recovered by the listener, compared here again."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from alpha.exchange.walking import whole_ms
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.coverage import BACKFILL, beginning, first_contact, intervals, mark_unproven, share_settled
from alpha.ledger.sync_status import SyncTask, SyncWindow
from alpha.service.alerts import AlertWriter
from trade_sync_service.account_sync import AccountSync, sync_past
from trade_sync_service.causes import MarketSetBack
from trade_sync_service.comparison import SyncTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What a backfill of one account covers, market clock: [since, until], `until` being the first contact, from which
    on the ledger is complete anyway. `opened` says that this very call asked the listener to read it; without it
    somebody has before. `note` says what cannot be had, "" when everything can."""

    account: AccountName
    since: datetime
    until: datetime
    opened: bool
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the ledger begins early enough as it is."""
        return self.since >= self.until


def open_past(client: ExchangeClient, ledger: Connection, months: int, *, by: str) -> Backfill | None:
    """Asks the listener for everything of the last `months` months that lies before what was asked for already. Asking
    again, or twice at once, adds nothing. None while the account was never seen: its listener has to see it first.

    Raises ExchangeError, LedgerError.
    """
    account = client.account
    now = whole_ms(client.market_time())
    wished = months_before(now, months)
    since = max(wished, now - SyncTiming.of(client.endpoints).reach)
    note = "" if since == wished else f"the exchange keeps nothing from before {since:%Y-%m-%d}"
    with transaction(ledger):
        said = intervals(ledger, account)
        contact, begun = first_contact(said), beginning(said)
        if contact is None or begun is None:
            return None
        if now < contact:
            raise MarketSetBack(
                f"the market clock of {account} is {now.isoformat()} and its ledger begins at {contact.isoformat()}: "
                "the exchange has lost its past, or is another one"
            )
        opened = since < begun
        if opened:
            mark_unproven(ledger, account, since, begun, f"{BACKFILL} of {months} months by {by}")
    return Backfill(account=account, since=min(since, contact), until=contact, opened=opened, note=note)


def share_recovered(ledger: Connection, backfill: Backfill) -> float:
    """How much of the past the listener has settled, 0 to 1."""
    return share_settled(intervals(ledger, backfill.account), backfill.since, backfill.until)


def store_past(
    client: ExchangeClient,
    ledger: Connection,
    backfill: Backfill,
    *,
    alerts: AlertWriter | None = None,
    on_window: Callable[[SyncTask, SyncWindow], None] | None = None,
) -> AccountSync:
    """Stores the transaction log and closed P&L of the past. Windows that were stored before are passed over."""
    tasks = (SyncTask.ACCOUNT_LOG, SyncTask.CLOSED_PNL)
    return sync_past(client, ledger, tasks, backfill.since, backfill.until, alerts=alerts, on_window=on_window)


def compare_past(
    client: ExchangeClient,
    ledger: Connection,
    backfill: Backfill,
    *,
    alerts: AlertWriter | None = None,
    on_window: Callable[[SyncTask, SyncWindow], None] | None = None,
) -> AccountSync:
    """Compares what was recovered with the exchange, and gives closed P&L its owners. After the recovery."""
    tasks = (SyncTask.EXECUTIONS, SyncTask.CLOSED_PNL)
    return sync_past(
        client, ledger, tasks, backfill.since, backfill.until, alerts=alerts, again=True, on_window=on_window
    )


def months_before(at: datetime, months: int) -> datetime:
    """The same day so many months ago, or the last day of a shorter month."""
    count = at.year * 12 + at.month - 1 - months
    year, month = divmod(count, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))
