"""One account compared with the exchange: every task from where it stands to now, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from alpha.exchange.walking import whole_ms
from alpha.ledger.completed_trades import oldest_unfinished
from alpha.ledger.connection import Connection, LedgerUnavailable
from alpha.ledger.coverage import start_of_account
from alpha.ledger.equity import add_equity_snapshot
from alpha.ledger.sync_status import (
    PAST_TASKS,
    Progress,
    SyncTask,
    SyncWindow,
    note_failure,
    note_progress,
    read_until,
    statuses,
    window_of,
    windows_of,
)
from alpha.service.alerts import AlertWriter
from trade_sync_service.account_log import sync_account_log
from trade_sync_service.causes import Cause, Failure, MarketSetBack, failure_of
from trade_sync_service.closed_pnl import sync_closed_pnl
from trade_sync_service.comparison import Found, Sides, Stretch, SyncTiming
from trade_sync_service.executions import compare_executions
from trade_sync_service.orders import compare_orders
from trade_sync_service.proven import proven_stretches

log = structlog.get_logger()

STORED = frozenset({SyncTask.ACCOUNT_LOG, SyncTask.CLOSED_PNL})
"""Tasks that store what the exchange lists; the others compare it with what the listener has recorded."""

# The exchange's clock never goes back by itself; its servers may differ by a little.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
_FIRST_LOOK = timedelta(days=7)
_COMPARISONS: dict[SyncTask, Callable[[Sides, Stretch], Iterator[Found]]] = {
    SyncTask.ACCOUNT_LOG: sync_account_log,
    SyncTask.CLOSED_PNL: sync_closed_pnl,
    SyncTask.ORDERS: compare_orders,
    SyncTask.EXECUTIONS: compare_executions,
}


class Interrupted(AlphaError):
    """Somebody wants the comparison to end. What was read is stored; the next one goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """How one task went: rows told by the exchange, disagreements found, and why it failed if it did. `through` is the
    market time up to which it has read."""

    task: SyncTask
    through: datetime | None
    rows: int = 0
    findings: int = 0
    detail: str = ""
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "through": None if self.through is None else self.through.isoformat(),
            "rows": self.rows,
            "findings": self.findings,
            "detail": self.detail if self.failure is None else self.failure.text,
            "cause": "" if self.failure is None else self.failure.cause.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSync:
    """How one account went. `until` is the market time up to which it was to be compared, None when the exchange did
    not even tell that."""

    account: AccountName
    until: datetime | None
    tasks: tuple[TaskReport, ...]

    @property
    def ok(self) -> bool:
        return all(task.ok for task in self.tasks)

    @property
    def findings(self) -> int:
        return sum(task.findings for task in self.tasks)

    @property
    def failure(self) -> Failure | None:
        """Why the first task failed that did."""
        return next((task.failure for task in self.tasks if task.failure is not None), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "until": None if self.until is None else self.until.isoformat(),
            "findings": self.findings,
            "tasks": {task.task.value: task.to_json() for task in self.tasks},
        }


def sync_account(
    client: ExchangeClient,
    ledger: Connection,
    *,
    alerts: AlertWriter | None = None,
    timing: SyncTiming | None = None,
    until: datetime | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> AccountSync:
    """Brings everything of an account up to the exchange's market time (or `until`), from where each task stands.

    The first time begins a week before the account's first contact with the platform. What fails is in the report and
    in sync_status, and the other tasks go on; only a ledger that cannot be reached raises (LedgerUnavailable).
    `ledger` is a direct connection that logs in as the sync service. Several may run at once, also for one account.
    `interrupted` is asked between two parts: once it is true, Interrupted is raised, and what was read counts.
    """
    run = _Run(
        Sides(
            client=client,
            ledger=ledger,
            alerts=alerts,
            timing=SyncTiming.of(client.endpoints) if timing is None else timing,
        ),
        interrupted,
    )
    return run.forward(until)


def sync_past(
    client: ExchangeClient,
    ledger: Connection,
    tasks: Sequence[SyncTask],
    since: datetime,
    until: datetime,
    *,
    alerts: AlertWriter | None = None,
    timing: SyncTiming | None = None,
    again: bool = False,
    on_window: Callable[[SyncTask, SyncWindow], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> AccountSync:
    """The same for [since, until] of the past (market clock), window by window. Windows that are complete are passed
    over unless `again` says otherwise."""
    sides = Sides(
        client=client,
        ledger=ledger,
        alerts=alerts,
        timing=SyncTiming.of(client.endpoints) if timing is None else timing,
    )
    return _Run(sides, interrupted).past(tasks, since, until, again=again, on_window=on_window)


class _Run:
    """One pass over the tasks of one account."""

    def __init__(self, sides: Sides, interrupted: Callable[[], bool]) -> None:
        self._sides, self._interrupted = sides, interrupted
        self._account = sides.client.account

    def forward(self, until: datetime | None) -> AccountSync:
        sides, reports = self._sides, []
        try:
            now = whole_ms(sides.client.market_time())
        except AlphaError as error:
            return AccountSync(account=self._account, until=None, tasks=(self._failed(SyncTask.KEY, None, error),))
        end = now if until is None else min(until, now)
        reports.append(self._key())
        if reports[0].failure is None or not _is_hopeless(reports[0].failure):
            reports.append(self._balances(now))
            reports += [self._task(task, end, now) for task in PAST_TASKS]
        return AccountSync(account=self._account, until=end, tasks=tuple(reports))

    def past(
        self,
        tasks: Sequence[SyncTask],
        since: datetime,
        until: datetime,
        *,
        again: bool,
        on_window: Callable[[SyncTask, SyncWindow], None] | None,
    ) -> AccountSync:
        now = whole_ms(self._sides.client.market_time())
        complete = {(each.task, each.window) for each in statuses(self._sides.ledger, self._account) if each.complete}
        reports = []
        for task in tasks:
            report = TaskReport(task=task, through=None)
            for window in windows_of(since, until):
                if again or (task, window) not in complete:
                    start, end = window.part(since, until)
                    # A window of stored rows is always read whole, so that complete means just that.
                    if task in STORED:
                        start = window.start
                    # The exchange refuses to be asked for more than it keeps, which is counted from now.
                    start = max(start, now - self._sides.timing.reach)
                    if start <= end:
                        report = self._added(report, self._window(task, window, start, end, now))
                if on_window is not None:
                    on_window(task, window)
                if report.failure is not None:
                    break
            reports.append(report)
        return AccountSync(account=self._account, until=until, tasks=tuple(reports))

    def _task(self, task: SyncTask, until: datetime, now: datetime) -> TaskReport:
        sides = self._sides
        try:
            since = self._beginning(task, now)
            edge = read_until(statuses(sides.ledger, self._account), task, since)
            if edge > now + _CLOCKS_DIFFER_BY:
                raise MarketSetBack(
                    f"the market clock of {self._account} is {now.isoformat()}, but its {task.value} were read up to "
                    f"{edge.isoformat()}: the exchange has lost its past, or is another one"
                )
            start = max(since, edge - sides.timing.overlap)
            if task is SyncTask.CLOSED_PNL:
                start = max(since, oldest_unfinished(sides.ledger, self._account, start) or start)
            end = until if task in STORED else self._end_of_proven(until)
        except LedgerUnavailable:
            raise
        except AlphaError as error:
            return self._failed(task, window_of(now), error)
        if end is None or end <= start:
            return TaskReport(task=task, through=edge, detail="nothing new to compare")
        report = TaskReport(task=task, through=edge)
        for window in windows_of(start, end):
            part = window.part(start, end)
            report = self._added(report, self._window(task, window, *part, now))
            if report.failure is not None:
                break
        return report

    def _beginning(self, task: SyncTask, until: datetime) -> datetime:
        """Where the comparison of a task begins: the ledger's own beginning for what is compared with its fills, and
        whole windows for what is stored."""
        first = start_of_account(self._sides.ledger, self._account)
        oldest = until - self._sides.timing.reach
        if task not in STORED:
            return max(until if first is None else min(first, until), oldest)
        return max(window_of(min(first or until, until - _FIRST_LOOK)).start, oldest)

    def _end_of_proven(self, until: datetime) -> datetime | None:
        """Where the last proven stretch ends: what comes after it is still the listener's to record."""
        ends = [end for _, end in proven_stretches(self._sides.ledger, self._account)]
        return min(ends[-1], until) if ends else None

    def _window(self, task: SyncTask, window: SyncWindow, start: datetime, end: datetime, now: datetime) -> TaskReport:
        rows = findings = 0
        detail = ""
        through: datetime | None = None
        open_from: datetime | None = None
        try:
            for found in _COMPARISONS[task](self._sides, Stretch(window=window, start=start, end=end)):
                if self._interrupted():
                    raise Interrupted("stopped in the middle of a comparison")
                rows, findings = rows + found.rows, findings + found.findings
                detail = found.detail or detail
                open_from = open_from or found.open_from
                through = found.through if open_from is None else min(found.through, open_from)
                note_progress(
                    self._sides.ledger,
                    Progress(
                        account=self._account,
                        task=task,
                        window=window,
                        through=through,
                        complete=open_from is None
                        and through >= window.end
                        and now >= window.end + self._sides.timing.overlap,
                        rows_read=rows,
                        findings=findings,
                        detail=detail,
                    ),
                )
        except (LedgerUnavailable, Interrupted):
            raise
        except AlphaError as error:
            failed = self._failed(task, window, error)
            return TaskReport(task=task, through=through, rows=rows, findings=findings, failure=failed.failure)
        return TaskReport(task=task, through=through, rows=rows, findings=findings, detail=detail)

    def _added(self, one: TaskReport, other: TaskReport) -> TaskReport:
        return TaskReport(
            task=one.task,
            through=other.through or one.through,
            rows=one.rows + other.rows,
            findings=one.findings + other.findings,
            detail=other.detail or one.detail,
            failure=other.failure,
        )

    def _key(self) -> TaskReport:
        try:
            said = self._sides.client.key_information()
        except AlphaError as error:
            return self._failed(SyncTask.KEY, None, error)
        expires = None if said is None else said.expires_at
        detail = "" if expires is None else f"expires {expires:%Y-%m-%d}"
        note_progress(
            self._sides.ledger,
            Progress(
                account=self._account,
                task=SyncTask.KEY,
                window=None,
                through=expires,
                complete=True,
                rows_read=1,
                detail=detail,
            ),
        )
        return TaskReport(task=SyncTask.KEY, through=expires, rows=1, detail=detail)

    def _balances(self, now: datetime) -> TaskReport:
        try:
            wallet = self._sides.client.wallet()
            add_equity_snapshot(self._sides.ledger, wallet, at=now, source="sync")
            note_progress(
                self._sides.ledger,
                Progress(
                    account=self._account,
                    task=SyncTask.BALANCES,
                    window=None,
                    through=now,
                    complete=True,
                    rows_read=len(wallet.coins),
                ),
            )
        except LedgerUnavailable:
            raise
        except AlphaError as error:
            return self._failed(SyncTask.BALANCES, None, error)
        return TaskReport(task=SyncTask.BALANCES, through=now, rows=len(wallet.coins))

    def _failed(self, task: SyncTask, window: SyncWindow | None, error: AlphaError) -> TaskReport:
        failure = failure_of(error, self._sides.client)
        log.warning(
            "sync_failed", account=self._account, task=task, cause=failure.cause, reason=failure.text, raw=failure.raw
        )
        note_failure(self._sides.ledger, self._account, task, window, cause=failure.cause.value, detail=failure.text)
        return TaskReport(task=task, through=None, failure=failure)


def _is_hopeless(failure: Failure) -> bool:
    """Whether every other question would be answered in the same way."""
    return failure.cause in (
        Cause.KEY_EXPIRED,
        Cause.WRONG_ENVIRONMENT,
        Cause.WRONG_SECRET,
        Cause.KEY_ADDRESS,
        Cause.CLOCK,
        Cause.UNREACHABLE,
    )
