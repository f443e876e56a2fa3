"""The ledger's side of the evidence: an account's whole past folded, and of it what is judged kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alpha.domain.arithmetic import accounting
from alpha.domain.ids import AccountName, OrderId
from alpha.exchange.parse import LINEAR
from alpha.ledger.connection import Connection
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.opening_positions import openings_of
from alpha.ledger.reading import fills_until, orders_filled_between
from alpha.proof.account_fold import AccountFold, Booking, changes_included
from alpha.proof.closings import Closing, Closings, OrderKey

# The exchange counts the executions of a symbol up: none that its report of a position has counted is much younger than
# the report.
_SEEN_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The fills of an interval with what they moved, the times of those that nobody owns, and what each of `orders` had
    closed after each of its closing fills, whenever that was."""

    bookings: Sequence[Booking]
    unowned: Sequence[datetime]
    orders: frozenset[OrderId]
    closings: Mapping[OrderKey, Sequence[Closing]]


def fold_ledger(
    ledger: Connection, account: AccountName, since: datetime, until: datetime, orders: Collection[OrderId]
) -> Folded:
    """Folds all fills of the account before `until` (market clock), as what a fill closes depends on those before it,
    and keeps those at or after `since`. Of the orders, `orders` and those with a fill in the interval are kept. However
    long the past, it takes the memory of a day's fills.
    """
    followed = frozenset(orders) | orders_filled_between(ledger, account, since, until)
    closings = Closings(followed)
    bookings: list[Booking] = []
    unowned: list[datetime] = []
    with accounting():
        fold = _begun(ledger, account, until)
        for recorded in filter(_is_linear, fills_until(ledger, account, until)):
            booking = fold.take(recorded)
            closings.take(booking)
            if recorded.fill.exec_time >= since:
                bookings.append(booking)
                if recorded.attribution.bot is None:
                    unowned.append(recorded.fill.exec_time)
    return Folded(bookings=bookings, unowned=unowned, orders=followed, closings=closings.steps)


def _begun(ledger: Connection, account: AccountName, until: datetime) -> AccountFold:
    """The account before its first fill."""
    openings = openings_of(ledger, account)
    if not openings:
        return AccountFold()
    seen = min(until, max(opening.at for opening in openings) + _SEEN_WITHIN)
    early = filter(_is_linear, fills_until(ledger, account, seen))
    return AccountFold(openings, changes_included(early, openings))


def _is_linear(recorded: RecordedFill) -> bool:
    return recorded.fill.category == LINEAR
