"""A month's report from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection
from alpha.ledger.coverage import start_of_account
from alpha.ledger.monthly import (
    before_beginning,
    bot_days,
    known_bots,
    last_fill_day,
    traded_between,
    trades_closed,
    trading_accounts,
    unattributed_between,
)
from alpha.ledger.proofs import ProofRow, newest_proofs
from alpha.proof.days import day_of, days_between, end_of_day, start_of_day
from alpha.reporting.month import Month, MonthReport, report_of


def read_month(connection: Connection, month: Month) -> MonthReport:
    """Everything that is in the ledger of this month. Raises LedgerError."""
    proofs = newest_proofs(connection, since=month.first, until=month.last)
    due = frozenset(_days_due(connection, month))
    return report_of(
        month,
        known_bots(connection),
        bot_days(connection, month.first, month.last),
        trades_closed(connection, month.start, month.end),
        [proof for proof in proofs if not proof.proven or _is_of_its_day(connection, proof, due)],
        due=due,
        unattributed=unattributed_between(connection, month.start, month.end),
        before=before_beginning(connection, month.start, month.end),
        last=last_fill_day(connection),
    )


def _days_due(connection: Connection, month: Month) -> Iterator[tuple[AccountName, date]]:
    """Every day of the month that is over, of every account with an active bot, from its first contact on. Whether
    somebody traded says nothing: where nobody listens there are no fills."""
    for account, now in trading_accounts(connection).items():
        began = start_of_account(connection, account)
        today = day_of(now or datetime.now(UTC))
        if began is None:
            continue
        for day in days_between(max(began, month.start), end_of_day(month.last)):
            if day < today:
                yield account, day


def _is_of_its_day(connection: Connection, proof: ProofRow, due: Collection[tuple[AccountName, date]]) -> bool:
    """Whether a verdict is on all of its day, or on all that was traded of one that is not over: one that was made in
    the middle of it says nothing of the rest."""
    if proof.until >= end_of_day(proof.day):
        return True
    if (proof.account, proof.day) in due:
        return False
    return not traded_between(connection, proof.account, proof.until, start_of_day(proof.day + timedelta(days=1)))


def newest_month(connection: Connection) -> Month:
    """The month of the last fill, by the market's clock; without one the present month."""
    day = last_fill_day(connection) or datetime.now(UTC).date()
    return Month(day.year, day.month)
