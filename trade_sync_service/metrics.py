from __future__ import annotations

from alpha.domain.ids import AccountName
from alpha.metrics.catalogue import Process
from alpha.metrics.registry import MetricSet
from trade_sync_service.account_sync import AccountSync


class SyncMetrics:
    """What this service counts."""

    def __init__(self) -> None:
        own = MetricSet(Process.SYNC)
        self.registry = own.registry
        self._runs = own.counter("trade_sync_runs")
        self._rows = own.counter("trade_sync_rows")
        self._findings = own.counter("trade_sync_findings")
        self._seconds = own.histogram("trade_sync_duration_seconds")
        self._last_success = own.gauge("trade_sync_last_success_timestamp_seconds")

    def ran(self, done: AccountSync, seconds: float) -> None:
        """An account was compared."""
        self._runs.labels(done.account, "ok" if done.ok else "failed").inc()
        self._seconds.labels(done.account).observe(seconds)
        for task in done.tasks:
            self._rows.labels(done.account, task.task.value).inc(task.rows)
            self._findings.labels(done.account, task.task.value).inc(task.findings)
        if done.ok:
            self._last_success.labels(done.account).set_to_current_time()

    def failed(self, account: AccountName) -> None:
        """A comparison ended without an answer."""
        self._runs.labels(account, "failed").inc()
