"""How far each comparison with the exchange has come, window by window, and how it went."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, transaction

_WEEK = timedelta(days=7)
# A Monday. Windows are the same whoever asks, so that two who sync at once write the same rows.
_FIRST = datetime(2015, 1, 5, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@unique
class SyncTask(StrEnum):
    """What is compared. The first four have windows."""

    EXECUTIONS = "executions"
    ORDERS = "orders"
    CLOSED_PNL = "closed_pnl"
    ACCOUNT_LOG = "account_log"
    BALANCES = "balances"
    KEY = "key"
    """The API key; `through` is when it expires."""


# Executions before orders: an order whose fills are missing is doubted with them, and is no finding of its own.
PAST_TASKS = (SyncTask.ACCOUNT_LOG, SyncTask.CLOSED_PNL, SyncTask.EXECUTIONS, SyncTask.ORDERS)


@dataclass(frozen=True, slots=True, order=True)
class SyncWindow:
    """A week of market time from Monday 00:00 UTC, both ends included: the next one begins a millisecond later."""

    start: datetime
    end: datetime

    def part(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """What lies in it of [since, until]."""
        return max(self.start, since), min(self.end, until)


def window_of(at: datetime) -> SyncWindow:
    """The window that a market time lies in."""
    start = _FIRST + (at - _FIRST) // _WEEK * _WEEK
    return SyncWindow(start, start + _WEEK - MILLISECOND)


def windows_of(since: datetime, until: datetime) -> list[SyncWindow]:
    """The windows that cover [since, until], oldest first."""
    found = []
    window = window_of(since)
    while window.start <= until:
        found.append(window)
        window = window_of(window.end + MILLISECOND)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """One row: see the comments of trading.sync_status. `window` is None for a task without windows."""

    account: AccountName
    task: SyncTask
    window: SyncWindow | None
    through: datetime | None
    complete: bool
    ok: bool
    rows_read: int
    findings: int
    failures: int
    cause: str
    detail: str
    ran_at: datetime
    ok_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a successful reading adds: the window is read from its start up to `through`, market clock. `window` is None
    for a task without windows."""

    account: AccountName
    task: SyncTask
    window: SyncWindow | None
    through: datetime | None
    complete: bool
    rows_read: int
    findings: int = 0
    detail: str = ""


def note_progress(connection: Connection, progress: Progress) -> None:
    """Writes down that a reading succeeded. `through` never goes back, and what was complete stays so. Raises
    LedgerError."""
    start, end = _bounds(progress.window)
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.sync_status AS s
                (account, task, window_start, window_end, through, complete, ok, rows_read, findings, detail, ok_at)
            VALUES (%(account)s, %(task)s, %(start)s, %(end)s, %(through)s, %(complete)s, true, %(rows)s, %(findings)s,
                %(detail)s, clock_timestamp())
            ON CONFLICT (account, task, window_start) DO UPDATE SET
                through = CASE WHEN %(has_window)s THEN greatest(s.through, excluded.through) ELSE excluded.through END,
                complete = s.complete OR excluded.complete, ok = true,
                rows_read = excluded.rows_read, findings = excluded.findings, failures = 0, cause = '',
                detail = excluded.detail, ran_at = clock_timestamp(), ok_at = clock_timestamp()
            """,
            {
                "account": progress.account,
                "task": progress.task.value,
                "start": start,
                "end": end,
                "through": progress.through,
                "complete": progress.complete,
                "rows": progress.rows_read,
                "findings": progress.findings,
                "detail": progress.detail,
                "has_window": progress.window is not None,
            },
        )


def note_failure(
    connection: Connection, account: AccountName, task: SyncTask, window: SyncWindow | None, *, cause: str, detail: str
) -> int:
    """Writes down that a reading failed; what was read before stays. Returns how many times in a row it has."""
    start, end = _bounds(window)
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.sync_status AS s (account, task, window_start, window_end, ok, failures, cause, detail)
            VALUES (%s, %s, %s, %s, false, 1, %s, %s)
            ON CONFLICT (account, task, window_start) DO UPDATE SET
                ok = false, failures = s.failures + 1, cause = excluded.cause, detail = excluded.detail,
                ran_at = clock_timestamp()
            RETURNING failures
            """,
            (account, task.value, start, end, cause, detail),
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 1


def statuses(connection: Connection, account: AccountName | None = None) -> list[SyncStatus]:
    """Every row, of every account for None, by account, task and window."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT account, task, isfinite(window_start), nullif(window_start, '-infinity'),
                   nullif(window_end, 'infinity'), through, complete, ok, rows_read, findings, failures, cause, detail,
                   ran_at, ok_at
            FROM trading.sync_status
            WHERE %(account)s::text IS NULL OR account = %(account)s
            ORDER BY account, task, window_start
            """,
            {"account": account},
        )
        return [
            SyncStatus(
                account=row[0],
                task=SyncTask(row[1]),
                window=SyncWindow(row[3], row[4]) if row[2] else None,
                through=row[5],
                complete=row[6],
                ok=row[7],
                rows_read=row[8],
                findings=row[9],
                failures=row[10],
                cause=row[11],
                detail=row[12],
                ran_at=row[13],
                ok_at=row[14],
            )
            for row in cursor.fetchall()
        ]


def read_until(said: Iterable[SyncStatus], task: SyncTask, since: datetime) -> datetime:
    """The market time up to which a task has read everything from `since` on without a gap; `since` itself when it has
    read nothing."""
    edge = since
    rows = {each.window.start: each for each in said if each.task is task and each.window is not None}
    while True:
        window = window_of(edge)
        row = rows.get(window.start)
        if row is None or row.through is None or row.through <= edge:
            return edge
        if not row.complete:
            return max(edge, row.through)
        edge = window.end + MILLISECOND


def _bounds(window: SyncWindow | None) -> tuple[datetime | str, datetime | str]:
    return ("-infinity", "infinity") if window is None else (window.start, window.end)
