"""What the listener has called complete: only there is a disagreement one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection
from alpha.ledger.coverage import intervals, proven_intervals

Stretches = Sequence[tuple[datetime, datetime]]


def proven_stretches(connection: Connection, account: AccountName) -> Stretches:
    """What is proven of the account now, as sorted stretches that do not touch."""
    return proven_intervals(intervals(connection, account))


def is_proven(stretches: Stretches, at: datetime) -> bool:
    """Whether a market time lies within a proven stretch. Its end does not: what happened in that very millisecond may
    belong to the next look."""
    place = bisect_right(stretches, at, key=lambda stretch: stretch[0]) - 1
    return place >= 0 and at < stretches[place][1]
