"""What is counted, stored aside and said to a person when the writer and the live state report."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future

import orjson
import structlog

from alpha.domain.ids import AccountName
from alpha.exchange.errors import UnknownMessage
from alpha.ledger.connection import Connection, Fenced
from alpha.ledger.drift import Finding, add_changed_drift, open_drift, resolve_drift
from alpha.ledger.fills import RecordResult
from alpha.ledger.raw_events import add_raw_event
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener.book_changes import BookChanges, BooksFollower
from websocket_listener.latency import LatencyWindow, milliseconds_since_frames
from websocket_listener.live_positions import Disagreement
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.position_drift import finding_of
from websocket_listener.raw_reading import REFUSED_FILL, refused_fill_text
from websocket_listener.raw_replay import RawReplay
from websocket_listener.writer import Refused, Writer

log = structlog.get_logger()
_BACKLOG_WARNED_ABOVE = 10
_BACKLOG_WARNED_EVERY_S = 10.0
_FILLS_PER_LINE = 200
_REPLAY_EVERY_S = 1.0
_RAW_WAITING_MAX = 1_000
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

    def forget(self, key: Hashable) -> None:
        with self._lock:
            self._keys.pop(key, None)


class Bookkeeping:
    """Called on the threads of writer, live state and event loop; never blocks: what goes to the ledger is handed to
    the writer, what goes to a person to the alert writer."""

    def __init__(self, alerts: AlertWriter, metrics: ListenerMetrics) -> None:
        self._alerts, self._metrics = alerts, metrics
        self._writer: Writer | None = None
        self._replay: RawReplay | None = None
        self._changes: BookChanges | None = None
        self._raw_waiting = 0
        self._raw_lock = threading.Lock()
        self._seen = Seen()
        self._backlog_warned_at_s = 0.0
        self._replay_due_s = 0.0
        self.fill_to_commit = LatencyWindow()

    def use(self, writer: Writer) -> None:
        """The writer that stores what is kept aside."""
        self._writer, self._replay = writer, RawReplay(writer, self._alerts)

    def tell_books_to(self, follower: BooksFollower) -> None:
        """Who is told of books that change other than by fills; from then on assignments are taken up."""
        self._changes = BookChanges(self._alerts, follower)

    def take_turn(self, connection: Connection, epochs: Mapping[AccountName, int]) -> None:
        """Now and then on the writer's thread, while PostgreSQL answers: assignments are taken up, and what was kept
        raw is read again where it is time. `epochs` are the accounts this process holds."""
        if self._changes is not None:
            self._changes.take_turn(connection, epochs)
        if self._replay is not None and time.monotonic() >= self._replay_due_s:
            self._replay_due_s = time.monotonic() + _REPLAY_EVERY_S
            self._replay.take_turn(connection, epochs)

    def recorded(self, result: RecordResult) -> None:
        """On the writer's thread: a batch is in the ledger. Says what in it a person should know, which is seldom
        anything, and must not wait for Redis."""
        if self._replay is not None:
            self._replay.committed(result.recorded)
        for recorded in result.recorded if result.unattributed else ():
            if recorded.attribution.bot is None:
                fill = recorded.fill
                self._alerts.alert(
                    "fill_unattributed",
                    f"nobody owns execution {fill.exec_id} ({fill.side} {fill.quantity} {fill.symbol}): "
                    f"give it to a bot with alpha assign {fill.exec_id} BOT --why",
                    account=fill.account,
                    exec_id=fill.exec_id,
                    order_link_id=fill.order_link_id,
                )
        for conflict in result.conflicts:
            if self._seen.first(("conflict", conflict.account, conflict.exec_id)):
                self._alerts.alert(
                    "fill_conflict",
                    f"execution {conflict.exec_id} of {conflict.symbol} was told again with other content",
                    severity="error",
                    account=conflict.account,
                    bot=conflict.bot,
                    differences=dict(conflict.differences),
                )
        # A fill that was told again is refused there too, and that is as it should be.
        why = result.refused_at_once
        if why and not (result.duplicates or result.conflicts) and self._seen.first(("at once", why)):
            log.warning("recorded_the_long_way", reason=why, hint="every few fills of a bot take twice as long so")
        for month in result.stranded_months:
            if self._seen.first(("month", month)):
                self._alerts.alert(
                    "month_stranded", f"fills of {month:%Y-%m} lie in the default partition", month=str(month)
                )

    def told(self, result: RecordResult) -> None:
        """On the live thread, once the bots were told of the batch, or Redis is away: log it and count it."""
        if result.recorded:
            # A line for a batch and not for a fill, which is the listener's hottest path; more of them where one would
            # be longer than what log drivers keep together.
            for first in range(0, len(result.recorded), _FILLS_PER_LINE):
                told = result.recorded[first : first + _FILLS_PER_LINE]
                ids = dict.fromkeys(each.fill.order_link_id for each in told if each.fill.order_link_id)
                log.info("fills_recorded", fills=len(told), correlation_ids=list(ids))
        counts = Counter([(each.fill.account, each.source, each.attribution.method) for each in result.recorded])
        for (account, source, method), count in counts.items():
            self._metrics.fills.labels(account, source.value, method.value).inc(count)
        if taken := milliseconds_since_frames(result.recorded, result.known_at):
            self.fill_to_commit.add(taken)
            self._metrics.fill_to_commit.observe(taken)
        self._metrics.duplicates.inc(result.duplicates)
        self._metrics.refolded.inc(result.refolded)
        for conflict in result.conflicts:
            self._metrics.conflicts.labels(conflict.account).inc()

    def refused(self, refused: Refused) -> None:
        """A fill that the ledger does not take is kept raw, once."""
        fill = refused.heard.fill
        if self._seen.first(("refused", fill.account, fill.exec_id)):
            self.keep_raw(fill.account, REFUSED_FILL, UnknownMessage(refused.reason, refused_fill_text(fill)))

    def keep_raw(self, account: AccountName, topic: str, error: UnknownMessage) -> None:
        """Store a message that could not be read, verbatim, once, and say so."""
        raw = _verbatim(error.raw)
        self._metrics.raw_events.labels(account).inc()
        seen = ("raw", account, topic, raw)
        if self._writer is None or not self._seen.first(seen):
            return
        received_at = now()
        log.error("message_unreadable", account=account, topic=topic, reason=error.reason)
        if self._seen.first(("raw_alert", account, topic, error.reason)):
            self._alerts.alert(
                "message_unreadable",
                f"a message of topic {topic or 'none'} cannot be read ({error.reason}); it is in trading.raw_events: "
                "update, and it is read again",
                severity="error",
                account=account,
            )
        with self._raw_lock:
            room = self._raw_waiting < _RAW_WAITING_MAX
            self._raw_waiting += room
        if not room:
            # The ledger is away and the exchange talks gibberish: the log keeps it, and recovery asks for what it was.
            log.error("raw_event_in_log_only", account=account, topic=topic, raw=raw)
            return

        def store(connection: Connection) -> int:
            return add_raw_event(
                connection, account=account, topic=topic, reason=error.reason, raw=raw, received_at=received_at
            )

        def stored(done: Future[int]) -> None:
            with self._raw_lock:
                self._raw_waiting -= 1
            error = None if done.cancelled() else done.exception()
            if isinstance(error, Fenced):
                # Whoever holds the account hears it too. Told again once the account is ours, it is stored.
                self._seen.forget(seen)
            elif done.cancelled() or error is not None:
                why = "the process ends" if error is None else str(error)
                log.error("raw_event_in_log_only", account=account, topic=topic, raw=raw, why=why)

        self._writer.run(store, account=account).add_done_callback(stored)

    def drifted(self, account: AccountName, difference: Disagreement, began: bool) -> None:
        """The fold of our fills and the exchange disagree about a position, by another quantity than before, or agree
        (again)."""
        finding = finding_of(account, difference)
        if not began:
            self._write(account, lambda connection: self._agree_again(connection, finding))
            return
        self._write(account, lambda connection: self._differ(connection, finding))

    def _differ(self, connection: Connection, finding: Finding) -> None:
        if not add_changed_drift(connection, finding, by=_SERVICE):
            return
        whose = f"new entries of {finding.bot}" if finding.bot else f"every new entry on {finding.account}"
        self._alerts.alert(
            "position_drift",
            f"{finding.subject}: the exchange holds {finding.detail['exchange']}, our fills make "
            f"{finding.detail['fills']}; {whose} must wait. Run alpha verify, then alpha drift resolve or accept",
            severity="error",
            account=finding.account,
            bot=finding.bot,
        )

    def backlog(self, fills: int, *, dropped: int) -> None:
        """Warn of fills that pile up."""
        if fills <= _BACKLOG_WARNED_ABOVE or time.monotonic() - self._backlog_warned_at_s < _BACKLOG_WARNED_EVERY_S:
            return
        self._backlog_warned_at_s = time.monotonic()
        log.warning("backlog", fills=fills, dropped=dropped)

    def _agree_again(self, connection: Connection, finding: Finding) -> None:
        if _resolve(connection, finding):
            self._alerts.alert(
                "position_agrees",
                f"{finding.subject}: ledger and exchange agree again",
                severity="info",
                account=finding.account,
                bot=finding.bot,
            )

    def _write(self, account: AccountName, work: Callable[[Connection], None]) -> None:
        if self._writer is None:
            return

        def look(done: Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("drift_not_written", account=account, error=str(error))

        self._writer.run(work, account=account).add_done_callback(look)


def _resolve(connection: Connection, over: Finding) -> int:
    numbers = [
        drift.number
        for drift in open_drift(connection, over.account)
        if drift.finding.kind is over.kind and drift.finding.subject == over.subject
    ]
    return resolve_drift(connection, numbers, by=_SERVICE, resolution="ledger and exchange agree again")


def _verbatim(raw: object) -> str:
    if isinstance(raw, bytes):
        return raw.decode(errors="backslashreplace")
    if isinstance(raw, str):
        return raw
    return orjson.dumps(raw, default=str).decode()
