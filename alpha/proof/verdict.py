"""The verdict on a day, and on an account over many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from alpha.domain.ids import AccountName
from alpha.proof.double_entry import DoubleEntry
from alpha.proof.finding import Check, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class DayProof:
    """The verdict on one UTC day of an account. `since` and `until` (market time, both included) are what was judged of
    it; `ledger_read_at` and `log_read_at` are the database's clock when our rows and the exchange's log of it were
    read."""

    account: AccountName
    day: date
    since: datetime
    until: datetime
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    entries: tuple[DoubleEntry, ...]
    notes: tuple[str, ...] = ()
    ledger_read_at: datetime
    log_read_at: datetime

    @property
    def proven(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain values; money is text."""
        return {
            "day": self.day.isoformat(),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "proven": self.proven,
            "findings": [found.to_json() for found in self.findings],
            "double_entry": [entry.to_json() for entry in self.entries],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProof:
    """The verdict on an account from `since` to `until`, market time, both included."""

    account: AccountName
    environment: str
    since: datetime
    until: datetime
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    days: tuple[DayProof, ...]
    notes: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Plain values; money is text."""
        return {
            "account": self.account,
            "environment": self.environment,
            "proven": self.proven,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "checks": [check.to_json() for check in self.checks],
            "findings": [found.to_json() for found in self.findings],
            "days": [day.to_json() for day in self.days],
            "notes": list(self.notes),
        }
