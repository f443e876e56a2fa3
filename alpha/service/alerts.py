"""`alert()`: what a person should know goes to the log at once, to the bus, and to the ledger for delivery."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from structlog.typing import FilteringBoundLogger

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import Alert, Severity, add_alert
from alpha.ledger.connection import Connection, Dsn, LedgerRefused, LedgerUnavailable, connect
from alpha.live import bus, waiting_alerts
from alpha.live.connection import BUS_DB, LIVE_ERRORS, RedisAddress, open_redis

__all__ = ["ALERTED", "AlertWriter", "Severity"]

log: FilteringBoundLogger = structlog.get_logger(__name__)

ALERTED = "alert"
"""The event of an alert that is on its way; `alert_lost` is that of one that reached the log only."""

_KEPT = 1000
_RETRY_FIRST_S, _RETRY_LAST_S = 0.2, 5.0
_LOG_METHOD = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
}


@dataclass(slots=True)
class _Waiting:
    """An alert on its way to the ledger: whether the bus was told of it, and its text in Redis where it is kept."""

    alert: Alert
    told: bool = False
    kept_as: str = ""


class AlertWriter:
    """Writes alerts from a thread of its own, so that nobody who alerts waits or fails.

    While the database is away the bus is told at once, and up to 1000 alerts wait, then the oldest give way; all of
    them are in the log. What waits is kept in Redis too, so that the next process of the service writes what this one
    could not. An alert may come twice where that is the price of its coming at all. Stop with `close`.
    """

    def __init__(self, dsn: Dsn, redis: RedisAddress | None, service: str) -> None:
        self._dsn = dsn
        self._redis = None if redis is None else open_redis(redis, BUS_DB)
        self._service = service
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._writing: _Waiting | None = None
        self.dropped = 0
        """Alerts that reached the log only."""
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def alert(
        self,
        kind: str,
        text: str,
        *,
        severity: Severity | Literal["info", "warning", "error", "critical"] = Severity.WARNING,
        account: AccountName | None = None,
        bot: BotId | None = None,
        **fields: object,
    ) -> None:
        """Says something to a person. `kind` is a constant name, `text` a sentence. Never raises, never waits."""
        alert = Alert(
            kind=kind,
            text=text,
            severity=Severity(severity),
            service=self._service,
            at=datetime.now(UTC),
            account=account,
            bot=bot,
            fields=fields,
        )
        write = getattr(log, _LOG_METHOD[alert.severity])
        write(ALERTED, kind=kind, text=text, account=account, bot=bot, fields=fields)
        oldest: _Waiting | None = None
        with self._changed:
            if len(self._waiting) >= _KEPT:
                oldest = self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(_Waiting(alert))
            self._changed.notify_all()
        if oldest is not None:
            _log_lost([oldest])

    def flush(self, within_s: float) -> bool:
        """Waits until everything is written. False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout=within_s)

    def close(self, within_s: float = 2.0) -> None:
        """Writes what waits, for at most `within_s`, and ends."""
        written = self.flush(within_s)
        with self._changed:
            self._closing = True
            if not written:
                log.warning("alerts_not_written", count=len(self._unwritten()))
            self._changed.notify_all()
        self._thread.join(timeout=0.5)
        with self._changed:
            unwritten = self._unwritten()
        _log_lost(unwritten)
        if self._redis is not None:
            self._redis.close()

    def _run(self) -> None:
        connection: Connection | None = None
        try:
            self._take_up()
            while (waiting := self._next()) is not None:
                self._tell_bus([waiting])
                connection = self._write(connection, waiting)
                with self._changed:
                    self._writing = None
                    self._changed.notify_all()
        finally:
            if connection is not None:
                connection.close()

    def _take_up(self) -> None:
        """What an earlier process left unwritten comes first."""
        if self._redis is None:
            return
        with contextlib.suppress(*LIVE_ERRORS):
            for text in reversed(waiting_alerts.kept(self._redis, self._service)):
                with self._changed:
                    self._waiting.appendleft(_Waiting(alert_of_text(text), told=True, kept_as=text))

    def _next(self) -> _Waiting | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if self._closing:
                return None
            self._writing = self._waiting.popleft()
            return self._writing

    def _unwritten(self) -> list[_Waiting]:
        return [*([] if self._writing is None else [self._writing]), *self._waiting]

    def _write(self, connection: Connection | None, waiting: _Waiting) -> Connection | None:
        """Stores the alert, trying until it works or we are closed. Returns the connection to use next."""
        alert, pause = waiting.alert, _RETRY_FIRST_S
        while True:
            try:
                if connection is None or connection.closed:
                    connection = connect(self._dsn, f"{self._service}-alerts")
                add_alert(connection, alert)
                self._forget(waiting)
                return connection
            except LedgerRefused as error:
                log.error("alert_refused", kind=alert.kind, text=alert.text, error=str(error))
                self.dropped += 1
                self._forget(waiting)
                return connection
            except LedgerUnavailable as error:
                # A lost answer to COMMIT may make a second row; an alert that comes twice is better than none.
                log.warning("alert_waits", kind=alert.kind, error=str(error))
            if connection is not None:
                connection.close()
                connection = None
            with self._changed:
                behind = list(self._waiting)
            self._tell_bus(behind)
            self._keep([waiting, *behind])
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, timeout=pause):
                    self.dropped += 1
                    self._writing = None
                    self._waiting.appendleft(waiting)
                    return None
            pause = min(pause * 2, _RETRY_LAST_S)

    def _keep(self, waiting: Sequence[_Waiting]) -> None:
        """In Redis, what is not there yet."""
        texts = {id(each): _text_of(each.alert) for each in waiting if not each.kept_as}
        if self._redis is None or not texts:
            return
        with contextlib.suppress(*LIVE_ERRORS):
            waiting_alerts.keep(self._redis, self._service, list(texts.values()))
            for each in waiting:
                each.kept_as = each.kept_as or texts[id(each)]

    def _forget(self, waiting: _Waiting) -> None:
        if self._redis is not None and waiting.kept_as:
            with contextlib.suppress(*LIVE_ERRORS):
                waiting_alerts.forget(self._redis, self._service, waiting.kept_as)

    def _tell_bus(self, waiting: Sequence[_Waiting]) -> None:
        untold = [each for each in waiting if not each.told]
        if self._redis is None or not untold:
            return
        with contextlib.suppress(*LIVE_ERRORS):  # the ledger is the truth, and the notifier reads that
            bus.publish(self._redis, bus.ALERTS, [_text_of(each.alert) for each in untold])
        for each in untold:
            each.told = True


def _log_lost(alerts: Sequence[_Waiting]) -> None:
    """One line for each that is neither in the ledger nor kept in Redis for the next process."""
    for alert in (each.alert for each in alerts if not each.kept_as):
        log.error("alert_lost", kind=alert.kind, text=alert.text, account=alert.account, bot=alert.bot)


def _text_of(alert: Alert) -> str:
    return json.dumps(
        {
            "kind": alert.kind,
            "text": alert.text,
            "severity": alert.severity,
            "service": alert.service,
            "at": alert.at.isoformat(),
            "account": alert.account,
            "bot": alert.bot,
            "fields": dict(alert.fields),
        },
        separators=(",", ":"),
        default=str,
    )


def alert_of_text(text: str) -> Alert:
    """The alert that the bus carries as a line of JSON. Raises ValueError, KeyError or TypeError for anything else."""
    said = json.loads(text)
    return Alert(**said | {"severity": Severity(said["severity"]), "at": datetime.fromisoformat(said["at"])})
