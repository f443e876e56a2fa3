"""The sync service: what it is made of, and how it starts and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog

from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.errors import ConfigError
from alpha.config.registry import AccountConfig, Registry
from alpha.config.settings import Settings, environment
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.rollups import fold_closed_days
from alpha.ledger.sync_requests import SyncRequest, finish_request, take_request
from alpha.live.rate_budget import SharedBudget
from alpha.service.alerts import AlertWriter
from alpha.service.health import HealthServer
from alpha.service.shutdown import StopSignal
from trade_sync_service.account_sync import AccountSync
from trade_sync_service.account_worker import AccountWorker
from trade_sync_service.metrics import SyncMetrics
from trade_sync_service.nightly_proof import NightlyProof
from trade_sync_service.packing import NightlyPacking
from trade_sync_service.timetable import Timetable

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_APPLICATION = "trade-sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often what is done (wall clock). `late_after`: from when on an account that was not compared is unwell."""

    first_after: timedelta = timedelta(seconds=10)
    every: timedelta = timedelta(hours=1)
    requests_every: timedelta = timedelta(seconds=2)
    fold_every: timedelta = timedelta(hours=1)
    late_after: timedelta = timedelta(hours=2, minutes=15)


def main(settings: Settings, registry: Registry) -> None:
    """Runs the service until SIGTERM or SIGINT. Raises ConfigError when it must not start."""
    stop = StopSignal().install()
    environ = environment()
    service = TradeSync(settings, registry.in_use(environ), environ)
    service.start()
    try:
        service.run(stop)
    finally:
        service.stop()


class TradeSync:
    """Compares every account with the exchange, each hour and on demand, and does the platform's nightly work: closed
    days are folded, and yesterday is proven.

    It starts whatever is away: an exchange or a database that does not answer is tried again.
    """

    def __init__(
        self, settings: Settings, registry: Registry, environ: Mapping[str, str], *, rhythm: Rhythm | None = None
    ) -> None:
        accounts = [account for account in registry.accounts.values() if registry.bots_on(account.name)]
        if not accounts:
            raise ConfigError("no bot in bots.yaml uses an account: there is nothing to compare")
        self._rhythm = rhythm or Rhythm()
        self._dsn = settings.dsn()
        redis_address = settings.redis()
        self._budget = SharedBudget(redis_address)
        self._alerts = AlertWriter(self._dsn, redis_address, "trade_sync_service")
        self._metrics = SyncMetrics()
        self._workers = {
            account.name: AccountWorker(
                account,
                self._client(account, settings, environ),
                registry.traded_on(account.name),
                self._dsn,
                self._alerts,
                self._metrics,
            )
            for account in accounts
        }
        self._timetable = Timetable(threads=min(len(accounts), 4) + 2)
        self._proof = NightlyProof(self._workers, self._timetable, self._dsn, self._alerts)
        self._packing = NightlyPacking(self._alerts)
        self._started_at = datetime.now(UTC)
        self._health = HealthServer(settings.sync_port, self.status, self._metrics.registry, host=settings.health_host)

    def start(self) -> None:
        """Makes the timetable and begins."""
        rhythm, timetable = self._rhythm, self._timetable
        for number, account in enumerate(self._workers):
            # Not all in the same second: they share one address at the exchange.
            first_after = rhythm.first_after + timedelta(seconds=number)
            timetable.every(f"sync {account}", rhythm.every, partial(self._sync, account), first_after=first_after)
        timetable.every(
            "requests", rhythm.requests_every, self._guarded(self._answer_requests), first_after=timedelta(0)
        )
        timetable.every("fold", rhythm.fold_every, self._guarded(self._fold), first_after=rhythm.first_after)
        timetable.daily("pack", self._guarded(self._packing.run), hour=3, minute=10)
        self._proof.start()
        timetable.start()
        self._health.start()
        log.info("trade_sync_started", health_port=self._health.port, accounts=list(self._workers))

    def run(self, stop: StopSignal) -> None:
        """Watches the clock until told to stop."""
        while not stop.wait(_LOOK_EVERY_S):
            by = self._timetable.look()
            if by is not None:
                self._alerts.alert(
                    "clock_was_set",
                    f"this machine's clock was set by {by.total_seconds():.0f} s: everything is compared anew",
                )
        log.info("trade_sync_stopping")

    def stop(self) -> None:
        """Ends what is under way at its next window, then lets go of everything."""
        for worker in self._workers.values():
            worker.stop()
        self._timetable.stop()
        self._health.stop()
        for worker in self._workers.values():
            worker.close()
        self._alerts.close()
        self._budget.close()
        log.info("trade_sync_stopped")

    def status(self) -> dict[str, Any]:
        """The body of /healthz: well while every account was compared lately, or has not been due yet."""
        now = datetime.now(UTC)
        accounts = {}
        for name, worker in self._workers.items():
            since = worker.last_success_at or self._started_at
            accounts[name] = {
                "ok": now - since < self._rhythm.late_after and worker.failures < 2,
                "last_success_at": worker.last_success_at,
                "failures": worker.failures,
                "cause": None if worker.failure is None else worker.failure.cause,
                "detail": None if worker.failure is None else worker.failure.text,
                "next_run_at": self._timetable.next_run(f"sync {name}"),
            }
        return {"ok": all(account["ok"] for account in accounts.values()), "accounts": accounts}

    def _client(self, account: AccountConfig, settings: Settings, environ: Mapping[str, str]) -> ExchangeClient:
        where = endpoints(account, settings)
        return ExchangeClient(account.name, where, credentials(account, environ), budget=self._budget)

    def _sync(self, account: AccountName) -> None:
        worker = self._workers[account]
        try:
            worker.run()
        except AlphaError as error:
            log.warning("sync_waits", account=account, reason=str(error))
        except Exception:
            log.exception("sync_failed", account=account)
        if (wait := worker.retry_after) is not None:
            self._timetable.once(f"retry {account}", partial(self._sync, account), after=wait)

    def _answer_requests(self, ledger: Connection) -> None:
        while (request := take_request(ledger)) is not None:
            log.info("sync_requested", number=request.number, account=request.account, by=request.by)
            ok, result = self._answer(request)
            finish_request(ledger, request.number, ok=ok, result=result)

    def _answer(self, request: SyncRequest) -> tuple[bool, dict[str, Any]]:
        if request.account is not None and request.account not in self._workers:
            return False, {"error": f"no account {request.account}; there are: {', '.join(self._workers)}"}
        asked = list(self._workers) if request.account is None else [request.account]
        done: dict[str, AccountSync] = {}
        failed: dict[str, dict[str, Any]] = {}
        for account in asked:
            try:
                done[account] = self._workers[account].run()
            except AlphaError as error:
                failed[account] = {"ok": False, "error": str(error), "tasks": {}}
        ok = not failed and all(each.ok for each in done.values())
        return ok, {account: each.to_json() for account, each in done.items()} | failed

    def _fold(self, ledger: Connection) -> None:
        if days := fold_closed_days(ledger):
            log.info("days_folded", days=days)

    def _guarded(self, work: Callable[[Connection], None]) -> Callable[[], None]:
        """The work with a connection of its own; what fails is logged and tried again the next time."""

        def run() -> None:
            try:
                with closing(connect(self._dsn, _APPLICATION, statement_timeout_s=60)) as ledger:
                    work(ledger)
            except AlphaError as error:
                log.warning("work_waits", reason=str(error))
            except Exception:
                log.exception("work_failed")

        return run
