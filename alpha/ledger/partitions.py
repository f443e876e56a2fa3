from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum, unique

from alpha.ledger.connection import Connection, Cursor, transaction


@unique
class MonthState(StrEnum):
    MADE = "made"
    PRESENT = "present"
    STRANDED = "stranded"
    """The default partition holds fills of the month already: it cannot be added until somebody moves them."""


def month_of(time: datetime) -> date:
    """First day of the month, in UTC, whose partition holds a fill of this time."""
    in_utc = time.astimezone(UTC)
    return date(in_utc.year, in_utc.month, 1)


def months_of(times: Sequence[datetime]) -> set[date]:
    """The months of times that are in order, of which nearly all batches have one."""
    first = month_of(times[0])
    if len(times) == 1 or month_of(times[-1]) == first:
        return {first}
    return {month_of(time) for time in times}


def ensure_months(cursor: Cursor, months: Iterable[date]) -> dict[date, MonthState]:
    """Makes the partitions of trading.fills that are missing.

    Call it before the transaction reads fills: a second writer doing the same would otherwise wait for a lock that this
    one holds, while this one waits for it.
    """
    cursor.execute(
        "SELECT month, trading.ensure_fills_partition(month) FROM unnest(%s::date[]) AS month ORDER BY month",
        (sorted(months),),
    )
    return {month: MonthState(state) for month, state in cursor.fetchall()}


def ensure_months_ahead(connection: Connection, months: Iterable[date]) -> None:
    """The same before there are fills, so that the first of a month need not wait for it. A caller inside of a
    transaction holds no lock but those of heads."""
    with transaction(connection) as cursor:
        ensure_months(cursor, months)
