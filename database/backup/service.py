"""The process behind `postgres_backup`: a backup every day, and at once when one was missed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from prometheus_client import CollectorRegistry

from alpha.config.backups import BackupSettings
from alpha.config.settings import Settings
from alpha.domain.errors import AlphaError
from alpha.ledger.backups import answer_requests, ledger_identity, waiting_requests
from alpha.ledger.connection import Dsn, LedgerError, connect
from alpha.service.alerts import AlertWriter
from alpha.service.health import HealthServer
from alpha.service.shutdown import StopSignal
from database.backup.encryption import check_recipients
from database.backup.errors import BackupBusy, BackupGivenUp
from database.backup.health import health_of, is_due
from database.backup.inspection import Inspection
from database.backup.job import Done, back_up

log = structlog.get_logger(__name__)

_MISSED_GRACE_S = 6 * 3600
_LOOK_EVERY_S = 5


def run(settings: Settings, backups: BackupSettings) -> None:
    """Serves until SIGTERM or SIGINT. Raises ConfigError or BackupMisconfigured when it must not start."""
    check_recipients(backups.recipients)
    stop = StopSignal().install()
    dsn = settings.dsn()
    alerts = AlertWriter(dsn, None, "backup")
    ledger = _Ledger(dsn)
    inspection = Inspection(backups.folder, alerts.alert)
    health = HealthServer(
        settings.backup_port,
        lambda: health_of(backups.folder, ledger.identity(), damaged=inspection.damaged),
        CollectorRegistry(),
        host=settings.health_host,
    ).start()
    scheduler = BackgroundScheduler(timezone=UTC)
    make = partial(back_up, dsn, backups, tell=alerts.alert, damaged=lambda: inspection.damaged, given_up=stop.is_set)

    def job() -> None:
        try:
            make()
        except BackupGivenUp:
            log.info("backup_given_up", hint="made when this service runs again")
        except AlphaError as error:
            log.error("backup_failed", error=str(error))

    def requests() -> None:
        try:
            _answer_requests(dsn, make)
        except LedgerError as error:
            log.warning("backup_requests_unknown", error=str(error))

    # One at a time, and a late start runs it still: a backup at noon is better than none.
    scheduler.add_job(
        job,
        CronTrigger(hour=backups.at.hour, minute=backups.at.minute, timezone=UTC),
        max_instances=1,
        coalesce=True,
        misfire_grace_time=_MISSED_GRACE_S,
    )
    scheduler.add_job(requests, IntervalTrigger(seconds=_LOOK_EVERY_S, timezone=UTC), max_instances=1, coalesce=True)

    def missed() -> None:
        inspection.look()
        if is_due(backups.folder, datetime.now(UTC), ledger.identity(), inspection.damaged):
            job()

    # At once, and then hourly: what failed, was missed or was damaged since is not left until the next day.
    scheduler.add_job(missed, IntervalTrigger(hours=1, timezone=UTC), max_instances=1, next_run_time=datetime.now(UTC))
    scheduler.start()
    log.info("backups_scheduled", at=f"{backups.at:%H:%M}", folder=str(backups.folder), port=health.port)
    try:
        stop.wait()
    finally:
        # A dump in progress is given up, and what it left removed, which takes a moment.
        scheduler.shutdown()
        health.stop()
        alerts.close()


def run_once(settings: Settings, backups: BackupSettings) -> None:
    """One backup now, beside a service that may be running. Raises what `back_up` raises."""
    dsn = settings.dsn()
    with closing(AlertWriter(dsn, None, "backup")) as alerts:
        back_up(dsn, backups, tell=alerts.alert)


class _Ledger:
    """Which ledger the database holds, asked until it has answered once."""

    def __init__(self, dsn: Dsn) -> None:
        self._dsn = dsn
        self._identity: str | None = None

    def identity(self) -> str | None:
        """None while the database is away."""
        if self._identity is None:
            try:
                with closing(connect(self._dsn, "backup", statement_timeout_s=2)) as connection:
                    self._identity = ledger_identity(connection)
            except LedgerError as error:
                log.warning("ledger_identity_unknown", error=str(error))
        return self._identity


def _answer_requests(dsn: Dsn, make: Callable[[], Done]) -> None:
    """Makes one backup for all who wait."""
    with closing(connect(dsn, "backup")) as connection:
        waiting = waiting_requests(connection)
        if not waiting:
            return
        try:
            done = make()
        except (BackupBusy, BackupGivenUp):
            return  # the next look makes one, of a moment after they asked
        except AlphaError as error:
            answer_requests(connection, waiting, ok=False, detail=str(error))
        else:
            answer_requests(connection, waiting, ok=True, detail=done.backup.file)
