"""Whether entries of a transaction log follow from one another: each leaves the balance before it plus its change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from alpha.exchange.account_books import LogEntry


@dataclass(frozen=True, slots=True)
class BalanceJump:
    """A balance that does not follow from the entry before: `after` was told where `expected` was due. `at` is market
    clock, `since` the entry before (None when `expected` was known from before the entries)."""

    currency: str
    since: datetime | None
    at: datetime
    log_id: str
    expected: Decimal
    after: Decimal

    @property
    def unexplained(self) -> Decimal:
        """What came (> 0) or went without an entry, in units of the currency."""
        return self.after - self.expected


def jumps(entries: Iterable[LogEntry], before: Mapping[str, Decimal]) -> list[BalanceJump]:
    """Where the chain of balances breaks. `entries` are oldest first, `before` the balances that they begin from; of a
    currency without one the first entry is believed.

    Entries of one millisecond come in no order, so they count together: one of them has to show the sum.
    """
    found: list[BalanceJump] = []
    balances = dict(before)
    last_at: dict[str, datetime] = {}
    by_time = groupby(entries, key=lambda entry: entry.at)
    for at, together in by_time:
        of_currency: dict[str, list[LogEntry]] = {}
        for entry in together:
            of_currency.setdefault(entry.currency, []).append(entry)
        for currency, same in of_currency.items():
            told = same[-1]
            if currency in balances:
                expected = balances[currency] + sum((entry.change for entry in same), Decimal(0))
                # In whatever order they happened, the last of them shows the sum.
                if any(entry.balance == expected for entry in same):
                    balances[currency] = expected
                    last_at[currency] = at
                    continue
                since = last_at.get(currency)
                found.append(BalanceJump(currency, since, at, told.log_id, expected, told.balance))
            balances[currency], last_at[currency] = told.balance, at
    return found
