"""Which intervals of an account's market time are known to be complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, transaction

BACKFILL = "backfill"
"""How the detail begins of a doubt that opens the past before the first contact."""


@unique
class CoverageKind(StrEnum):
    HEARD = "heard"
    """The stream was subscribed and live. Says nothing about completeness."""
    PROVEN = "proven"
    """Read over REST to the last page, twice, the ids equal to the ledger's."""
    UNPROVEN = "unproven"
    """In doubt, whatever was proven before: to be read again."""
    UNREACHABLE = "unreachable"
    """Older than the exchange keeps: never proven, and not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of market time, both ends included. A later one (a higher number) overrules earlier ones."""

    number: int
    kind: CoverageKind
    start: datetime
    end: datetime
    detail: str


def add_interval(
    connection: Connection,
    account: AccountName,
    kind: CoverageKind,
    start: datetime,
    end: datetime,
    *,
    detail: str = "",
) -> None:
    """Adds what is known of an interval. One that continues the account's last of its kind extends that row, unless a
    doubt came in between. Raises InvalidValue for an end before the start."""
    require_aware(start)
    require_aware(end)
    if end < start:
        raise InvalidValue(f"coverage of {account} cannot end at {end} before its start {start}")
    with transaction(connection) as cursor:
        cursor.execute(
            """
            UPDATE trading.coverage
            SET ended_at = greatest(ended_at, %(end)s), recorded_at = clock_timestamp()
            WHERE id = (SELECT max(id) FROM trading.coverage
                        WHERE account = %(account)s AND (kind = 'heard') = (%(kind)s = 'heard'))
                AND kind = %(kind)s AND detail = %(detail)s AND started_at <= %(start)s AND ended_at >= %(start)s
            """,
            {"account": account, "kind": kind.value, "start": start, "end": end, "detail": detail},
        )
        if cursor.rowcount == 0:
            cursor.execute(
                "INSERT INTO trading.coverage (account, kind, started_at, ended_at, detail)"
                " VALUES (%s, %s, %s, %s, %s)",
                (account, kind.value, start, end, detail),
            )


def mark_unproven(connection: Connection, account: AccountName, start: datetime, end: datetime, why: str) -> None:
    """Doubts an interval; the listener reads it again. For services that may not write coverage themselves."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT trading.mark_unproven(%s, %s, %s, %s)", (account, start, end, why))


def intervals(connection: Connection, account: AccountName) -> list[Interval]:
    """Everything that was said of the account, oldest statement first."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, kind, started_at, ended_at, detail FROM trading.coverage WHERE account = %s ORDER BY id",
            (account,),
        )
        return [
            Interval(number=number, kind=CoverageKind(kind), start=start, end=end, detail=detail)
            for number, kind, start, end, detail in cursor.fetchall()
        ]


def start_of_account(connection: Connection, account: AccountName) -> datetime | None:
    """Market time from which the ledger is meant to be complete: the first contact, or an earlier time up to which the
    past was backfilled without a gap. None when there was no contact."""
    return start_of_ledger(intervals(connection, account))


def first_contact(said: Iterable[Interval]) -> datetime | None:
    """When the platform first saw the account: the first proven statement is made then. None when it has not."""
    proven = (interval for interval in said if interval.kind is CoverageKind.PROVEN)
    return min(((interval.number, interval.start) for interval in proven), default=(0, None))[1]


def start_of_ledger(said: Sequence[Interval]) -> datetime | None:
    """`start_of_account` of these statements. What was proven once counts, also when it was doubted since: a doubt is
    no reason to look away."""
    contact = first_contact(said)
    if contact is None:
        return None
    settled = (CoverageKind.PROVEN, CoverageKind.UNREACHABLE)
    once = _stretches([each for each in said if each.kind in settled], frozenset(settled))
    return next((start for start, end in once if start <= contact <= end), contact)


def beginning(said: Iterable[Interval]) -> datetime | None:
    """The earliest market time that anything was proven, or that a backfill asked for: it doubts what lies before the
    first contact, so that it is read. Any other doubt of that time is none, as the ledger begins later. None when the
    account was never seen."""
    told = list(said)
    proven = [each.start for each in told if each.kind is CoverageKind.PROVEN]
    asked = [each.start for each in told if each.kind is CoverageKind.UNPROVEN and each.detail.startswith(BACKFILL)]
    return min([*proven, *asked]) if proven else None


def share_settled(said: Sequence[Interval], since: datetime, until: datetime) -> float:
    """How much of [since, until] is proven or out of reach, 0 to 1."""
    if until <= since:
        return 1.0
    parts = _stretches(said, frozenset({CoverageKind.PROVEN, CoverageKind.UNREACHABLE}))
    covered = [(max(start, since), min(end, until)) for start, end in parts if start < until and end > since]
    return sum(((end - start) / (until - since) for start, end in covered), 0.0)


def proven_until(connection: Connection, account: AccountName) -> datetime | None:
    """Market time up to which nothing is missing, from the first contact on without a gap: where recovery begins.

    None when nothing was ever proven.
    """
    return proven_end(intervals(connection, account))


def unproven_stretches(said: Sequence[Interval], until: datetime) -> list[tuple[datetime, datetime]]:
    """What is neither proven nor out of reach between the account's `beginning` and `until`, oldest first: what has to
    be read.

    The last one begins where everything settled ends, and is there even when that is `until` itself. Empty when nothing
    was ever proven, or when `until` lies before the end of what is settled.
    """
    edge = beginning(said)
    if edge is None:
        return []
    found = []
    for start, end in _stretches(said, frozenset({CoverageKind.PROVEN, CoverageKind.UNREACHABLE})):
        if edge < start:
            found.append((edge, min(start, until)))
        edge = max(edge, end)
    if edge <= until:
        found.append((edge, until))
    return [(start, end) for start, end in found if start <= end]


def is_doubted_after(connection: Connection, account: AccountName, number: int, start: datetime, end: datetime) -> bool:
    """Whether somebody has doubted a part of the interval since the statement with this number was the last one."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT FROM trading.coverage WHERE account = %s AND id > %s AND kind = 'unproven'"
            " AND started_at <= %s AND ended_at >= %s LIMIT 1",
            (account, number, end, start),
        )
        return cursor.fetchone() is not None


def proven_intervals(said: Iterable[Interval]) -> list[tuple[datetime, datetime]]:
    """What is proven after all statements in their order, as sorted stretches that do not touch."""
    return _stretches(said, frozenset({CoverageKind.PROVEN}))


def proven_end(said: Sequence[Interval]) -> datetime | None:
    """`proven_until` of these statements. Stretches that the exchange keeps no more are stepped over, and a past that
    is being backfilled does not count: it lies before the first contact."""
    first = first_contact(said)
    if first is None:
        return None
    settled = _stretches(said, frozenset({CoverageKind.PROVEN, CoverageKind.UNREACHABLE}))
    return next((end for start, end in settled if start <= first <= end), first)


def _stretches(said: Iterable[Interval], counted: frozenset[CoverageKind]) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for interval in sorted(said, key=lambda each: each.number):
        if interval.kind is CoverageKind.HEARD:
            continue
        if interval.kind in counted:
            found = _joined(found, interval.start, interval.end)
        else:
            found = _without(found, interval.start, interval.end)
    return found


def _joined(
    stretches: list[tuple[datetime, datetime]], start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    touching = [each for each in stretches if each[0] <= end and each[1] >= start]
    apart = [each for each in stretches if each not in touching]
    joined = (min([start, *(each[0] for each in touching)]), max([end, *(each[1] for each in touching)]))
    return sorted([*apart, joined])


def _without(
    stretches: list[tuple[datetime, datetime]], start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    # The ends stay proven as instants: recovery reads both ends of its window anyway.
    left = [(a, min(b, start)) for a, b in stretches if a <= start and a <= min(b, start)]
    right = [(max(a, end), b) for a, b in stretches if b >= end and max(a, end) <= b]
    return sorted(set(left + right))
