"""One account of the running service: compared when asked, by one thread at a time, and told about when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import structlog

from alpha.config.registry import AccountConfig
from alpha.domain.ids import Symbol
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.sync_status import statuses
from alpha.service.alerts import AlertWriter
from trade_sync_service.account_sync import AccountSync, sync_account
from trade_sync_service.causes import Cause, Failure, failure_of
from trade_sync_service.metrics import SyncMetrics

log = structlog.get_logger()

_STATEMENT_WITHIN_S = 60.0
# After a failure it is tried again sooner than in an hour, and then less and less often.
_RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


class AccountWorker:
    """Compares one account on demand."""

    def __init__(
        self,
        account: AccountConfig,
        client: ExchangeClient,
        symbols: frozenset[Symbol] | None,
        dsn: Dsn,
        alerts: AlertWriter,
        metrics: SyncMetrics,
    ) -> None:
        self.name = account.name
        self.client = client
        self.symbols = symbols
        """Those that bots trade; None: all."""
        self.failures = 0
        """Runs in a row that failed."""
        self.failure: Failure | None = None
        self.last_success_at: datetime | None = None
        """Wall clock."""
        self._dsn, self._alerts, self._metrics = dsn, alerts, metrics
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._told: Cause | None = None
        self._knows_past = False

    def run(self, *, until: datetime | None = None, after: Callable[[Connection], None] | None = None) -> AccountSync:
        """Compares the account; `after` gets the connection when it went well. Waits for a run that is under way.

        Raises LedgerError when the ledger cannot be reached or refuses, Interrupted when it is stopped.
        """
        with self._lock:
            began_s = time.monotonic()
            try:
                with closing(self._connect()) as ledger:
                    self._learn_past(ledger)
                    done = sync_account(
                        self.client, ledger, alerts=self._alerts, until=until, interrupted=self._stopping.is_set
                    )
                    self._note(done.failure)
                    if after is not None and done.ok:
                        after(ledger)
            except LedgerError as error:
                self._metrics.failed(self.name)
                self._note(failure_of(error, self.client))
                raise
            self._metrics.ran(done, time.monotonic() - began_s)
            log.info(
                "account_synced",
                account=self.name,
                ok=done.ok,
                until=done.until,
                rows=sum(task.rows for task in done.tasks),
                findings=done.findings,
                seconds=round(time.monotonic() - began_s, 3),
            )
            return done

    @property
    def retry_after(self) -> timedelta | None:
        """How long to wait until it is tried again; None when it went well or may wait for the next hour."""
        return _RETRIES[self.failures - 1] if 0 < self.failures <= len(_RETRIES) else None

    def stop(self) -> None:
        """Has a comparison that is under way end soon."""
        self._stopping.set()

    def close(self) -> None:
        self.client.close()

    def _connect(self) -> Connection:
        return connect(self._dsn, "trade-sync", statement_timeout_s=_STATEMENT_WITHIN_S)

    def _learn_past(self, ledger: Connection) -> None:
        """What a service before this one has already told a person is not told again."""
        if self._knows_past:
            return
        failing = [each for each in statuses(ledger, self.name) if not each.ok]
        worst = max(failing, key=lambda each: each.failures, default=None)
        if worst is not None:
            self.failures = worst.failures
            known = worst.cause in Cause.__members__.values()
            self._told = Cause(worst.cause) if known and self.failures >= _tell_after(Cause(worst.cause)) else None
        self._knows_past = True

    def _note(self, failure: Failure | None) -> None:
        if failure is None:
            if self._told is not None:
                self._alerts.alert(
                    "sync_failing_over",
                    f"{self.name} is compared with the exchange again, after {self.failures} failures",
                    severity="info",
                    account=self.name,
                )
            self.failures, self.failure, self._told = 0, None, None
            self.last_success_at = datetime.now(UTC)
            return
        self.failures, self.failure = self.failures + 1, failure
        if self.failures >= _tell_after(failure.cause) and failure.cause is not self._told:
            self._told = failure.cause
            self._alerts.alert(
                "sync_failing",
                f"{self.name} could not be compared with the exchange {self.failures} times in a row: {failure.text}",
                severity="error",
                account=self.name,
                cause=failure.cause.value,
                raw=failure.raw,
            )


def _tell_after(cause: Cause) -> int:
    """After how many failures in a row a person is told. What passes by itself gets one more try."""
    return 2 if cause.needs_a_person else 3
