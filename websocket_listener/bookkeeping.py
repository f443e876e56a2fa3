"""What is counted, stored aside and said to a person when the writer and the live state report."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from typing import Any

import orjson
import structlog

from alpha.domain.ids import AccountName, BotId
from alpha.exchange.errors import UnknownMessage
from alpha.ledger.connection import Connection
from alpha.ledger.drift import DriftKind, Finding, add_drift, open_drift, resolve_drift
from alpha.ledger.raw_events import add_raw_event
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener.latency import LatencyWindow
from websocket_listener.live_positions import Disagreement
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.writer import Committed, Refused, Writer

log = structlog.get_logger()
_BACKLOG_WARNED_ABOVE = 10
_BACKLOG_WARNED_EVERY_S = 10.0
_SERVICE = "listener"


class Seen:
    """Remembers what was said already, so that it is said once; the oldest are forgotten beyond a bound."""

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def first(self, key: Hashable) -> bool:
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > self._kept:
                self._keys.popitem(last=False)
            return True


class Bookkeeping:
    """Called on the threads of writer, live state and event loop; never blocks: what goes to the ledger is handed to
    the writer, what goes to a person to the alert writer."""

    def __init__(self, alerts: AlertWriter, metrics: ListenerMetrics) -> None:
        self._alerts, self._metrics = alerts, metrics
        self._writer: Writer | None = None
        self._seen = Seen()
        self._backlog_warned_at_s = 0.0
        self.fill_to_commit = LatencyWindow()

    def use(self, writer: Writer) -> None:
        """The writer that stores what is kept aside."""
        self._writer = writer

    def committed(self, committed: Committed) -> None:
        """Count a batch, and say what in it a person should know."""
        result = committed.result
        for recorded in result.recorded:
            fill, attribution = recorded.fill, recorded.attribution
            self._metrics.fills.labels(fill.account, recorded.source.value, attribution.method.value).inc()
            if recorded.frame_at is not None:
                self._latency(recorded.frame_at, committed.at)
            if attribution.bot is None:
                self._alerts.alert(
                    "fill_unattributed",
                    f"nobody owns execution {fill.exec_id} of {fill.symbol}: assign it to a bot",
                    account=fill.account,
                    exec_id=fill.exec_id,
                    order_link_id=fill.order_link_id,
                )
        self._metrics.duplicates.inc(result.duplicates)
        self._metrics.refolded.inc(result.refolded)
        for conflict in result.conflicts:
            self._metrics.conflicts.labels(conflict.account).inc()
            if self._seen.first(("conflict", conflict.account, conflict.exec_id)):
                self._alerts.alert(
                    "fill_conflict",
                    f"execution {conflict.exec_id} of {conflict.symbol} was told again with other content",
                    severity="error",
                    account=conflict.account,
                    bot=conflict.bot,
                    differences=dict(conflict.differences),
                )
        for month in result.stranded_months:
            if self._seen.first(("month", month)):
                self._alerts.alert(
                    "month_stranded", f"fills of {month:%Y-%m} lie in the default partition", month=str(month)
                )

    def refused(self, refused: Refused) -> None:
        """A fill that the ledger does not take is kept raw, once."""
        fill = refused.heard.fill
        if self._seen.first(("refused", fill.account, fill.exec_id)):
            self.keep_raw(fill.account, "execution", UnknownMessage(refused.reason, repr(fill)))

    def keep_raw(self, account: AccountName, topic: str, error: UnknownMessage) -> None:
        """Store a message that could not be read, verbatim, once, and say so."""
        raw = _verbatim(error.raw)
        self._metrics.raw_events.labels(account).inc()
        if not self._seen.first(("raw", account, topic, raw)) or self._writer is None:
            return
        received_at = now()

        def store(connection: Connection) -> Any:
            return add_raw_event(
                connection, account=account, topic=topic, reason=error.reason, raw=raw, received_at=received_at
            )

        self._writer.run(store)
        log.error("message_unreadable", account=account, topic=topic, reason=error.reason)
        if self._seen.first(("raw_alert", account, topic, error.reason)):
            self._alerts.alert(
                "message_unreadable",
                f"a message of topic {topic or 'none'} cannot be read ({error.reason}); it is in trading.raw_events",
                severity="error",
                account=account,
            )

    def drifted(self, account: AccountName, difference: Disagreement, began: bool) -> None:
        """The fold of our fills and the exchange disagree about a position, or agree (again)."""
        subject = f"{difference.symbol}:{difference.position_idx}"
        bot = difference.bots[0] if len(difference.bots) == 1 else None
        if not began:
            self._write(lambda connection: self._agree_again(connection, account, subject, bot))
            return
        finding = Finding(
            kind=DriftKind.POSITION,
            account=account,
            bot=bot,
            symbol=difference.symbol,
            subject=subject,
            detail={"exchange": str(difference.exchange_quantity), "fills": str(difference.fold_quantity)},
        )
        self._write(lambda connection: add_drift(connection, [finding]))
        self._alerts.alert(
            "position_drift",
            f"{subject}: the exchange holds {difference.exchange_quantity}, our fills make {difference.fold_quantity}; "
            "run alpha verify",
            severity="error",
            account=account,
            bot=bot,
        )

    def backlog(self, fills: int, *, dropped: int) -> None:
        """Warn of fills that pile up."""
        if fills <= _BACKLOG_WARNED_ABOVE or time.monotonic() - self._backlog_warned_at_s < _BACKLOG_WARNED_EVERY_S:
            return
        self._backlog_warned_at_s = time.monotonic()
        log.warning("backlog", fills=fills, dropped=dropped)

    def _latency(self, frame_at: datetime, at: datetime) -> None:
        milliseconds = (at - frame_at).total_seconds() * 1000
        self.fill_to_commit.add(milliseconds)
        self._metrics.fill_to_commit.observe(milliseconds)

    def _agree_again(self, connection: Connection, account: AccountName, subject: str, bot: BotId | None) -> None:
        if _resolve_positions(connection, account, subject):
            self._alerts.alert(
                "position_agrees",
                f"{subject}: ledger and exchange agree again",
                severity="info",
                account=account,
                bot=bot,
            )

    def _write(self, work: Any) -> None:
        if self._writer is not None:
            self._writer.run(work)


def _resolve_positions(connection: Connection, account: AccountName, subject: str) -> int:
    numbers = [
        drift.number
        for drift in open_drift(connection, account)
        if drift.finding.kind is DriftKind.POSITION and drift.finding.subject == subject
    ]
    return resolve_drift(connection, numbers, by=_SERVICE, resolution="ledger and exchange agree again")


def _verbatim(raw: object) -> str:
    if isinstance(raw, bytes):
        return raw.decode(errors="backslashreplace")
    if isinstance(raw, str):
        return raw
    return orjson.dumps(raw, default=str).decode()
