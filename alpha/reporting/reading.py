"""A month's report from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alpha.ledger.connection import Connection
from alpha.ledger.monthly import bot_days, known_bots, last_fill_day, traded_between, trades_closed
from alpha.ledger.proofs import newest_proofs
from alpha.proof.days import start_of_day
from alpha.reporting.month import Month, MonthReport, report_of


def read_month(connection: Connection, month: Month) -> MonthReport:
    """Everything that is in the ledger of this month. Raises LedgerError."""
    proofs = newest_proofs(connection, since=month.first, until=month.last)
    return report_of(
        month,
        known_bots(connection),
        bot_days(connection, month.first, month.last),
        trades_closed(connection, month.start, month.end),
        # A day that was judged in the middle of it says nothing of what was traded since.
        [
            proof
            for proof in proofs
            if not proof.proven
            or not traded_between(connection, proof.account, proof.until, start_of_day(proof.day + timedelta(days=1)))
        ],
        last=last_fill_day(connection),
    )


def newest_month(connection: Connection) -> Month:
    """The month of the last fill, by the market's clock; without one the present month."""
    day = last_fill_day(connection) or datetime.now(UTC).date()
    return Month(day.year, day.month)
