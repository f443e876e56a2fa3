"""What of each account a person should look at: doubts that stay, messages not read, disagreements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.coverage import CoverageKind, intervals, unproven_stretches
from alpha.ledger.drift import open_drift
from alpha.ledger.raw_events import count_waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """All times are market time. `unproven` are stretches that are not known to be complete although later ones are;
    what came last is still being proven and is none. `unreachable` are those that the exchange keeps no more."""

    account: AccountName
    unproven: tuple[tuple[datetime, datetime], ...] = ()
    unreachable: tuple[tuple[datetime, datetime], ...] = ()
    raw_waiting: int = 0
    drift_blocking: int = 0
    drift_accepted: int = 0


def standings(connection: Connection, accounts: Iterable[AccountName]) -> dict[AccountName, AccountStanding]:
    """One of each account, all of one moment."""
    with transaction(connection):
        raw, drift = count_waiting(connection), open_drift(connection)
        found = {}
        for account in accounts:
            said = intervals(connection, account)
            heard_until = max((interval.end for interval in said), default=None)
            unproven = [] if heard_until is None else unproven_stretches(said, heard_until)[:-1]
            mine = [each for each in drift if each.finding.account == account]
            found[account] = AccountStanding(
                account=account,
                unproven=tuple((start, end) for start, end in unproven if start < end),
                unreachable=tuple(
                    (interval.start, interval.end) for interval in said if interval.kind is CoverageKind.UNREACHABLE
                ),
                raw_waiting=raw.get(account, 0),
                drift_blocking=sum(1 for each in mine if each.blocks),
                drift_accepted=sum(1 for each in mine if each.accepted is not None),
            )
    return found
