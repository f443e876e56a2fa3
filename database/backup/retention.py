"""Which backups are kept. Pure: names and moments in, names out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAYS, WEEKS, MONTHS = 30, 12, 12
ALL_OF = timedelta(hours=48)
"""Of the last two days everything is kept: the newest one may be of a ledger that was damaged since the one before."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days, ISO weeks and months with a backup keep their newest one. Days are UTC."""

    days: int = DAYS
    weeks: int = WEEKS
    months: int = MONTHS

    def kept(self, taken: Iterable[datetime]) -> set[datetime]:
        """What stays. Periods are counted from the newest backup back, and only those that have one: when nothing new
        is made, nothing old is thrown away."""
        newest_first = sorted(set(taken), reverse=True)
        return (
            {at for at in newest_first if newest_first[0] - at < ALL_OF}
            | _newest_of_each(newest_first, lambda at: at.date(), self.days)
            | _newest_of_each(newest_first, lambda at: at.isocalendar()[:2], self.weeks)
            | _newest_of_each(newest_first, lambda at: (at.year, at.month), self.months)
        )


def _newest_of_each(newest_first: list[datetime], period: Callable[[datetime], object], count: int) -> set[datetime]:
    kept: dict[object, datetime] = {}
    for at in newest_first:
        if len(kept) == count and period(at.astimezone(UTC)) not in kept:
            break
        kept.setdefault(period(at.astimezone(UTC)), at)
    return set(kept.values())
