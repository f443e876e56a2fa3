"""What could not be read is read again: when an account is taken, and when a person asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from alpha.domain.ids import AccountName, BotId, ExecId
from alpha.domain.order import Order
from alpha.domain.order_link_id import OrderLinkId
from alpha.exchange.errors import UnknownMessage
from alpha.ledger.connection import Connection, Fenced
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.ledger.orders import upsert_orders
from alpha.ledger.raw_events import (
    RawEvent,
    last_request_before,
    mark_replayed,
    mark_unreadable,
    requests_after,
    waiting_raw_events,
)
from alpha.ledger.registry import bot_with_code
from alpha.service.alerts import AlertWriter
from websocket_listener.raw_reading import Reading, read_again
from websocket_listener.write_queue import Heard, Submission
from websocket_listener.writer import Writer

log = structlog.get_logger()
_PAGE = 200
_WAITED_FOR_S = 60.0
_NOTHING = Reading()
REPLAYED = "raw_replayed"
"""Kind of the alert that answers; its field `request` is the number asked under, 0 when nobody asked."""


@dataclass(slots=True)
class _Count:
    """How many messages were read, how many of their fills were new, and why the others could not be read."""

    read: int = 0
    recorded: int = 0
    unreadable: list[str] = field(default_factory=list)

    def add(self, page: _Count) -> None:
        self.read += page.read
        self.recorded += page.recorded
        self.unreadable += page.unreadable


@dataclass(slots=True)
class _Round:
    """One pass over what waits of an account; `after` is the last message done."""

    requests: list[int]
    after: int = 0
    count: _Count = field(default_factory=_Count)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A message that was read again, its fills on their way; or why it could not be read."""

    event: RawEvent
    reading: Reading = _NOTHING
    submission: Submission | None = None
    unreadable: str = ""

    @property
    def fills(self) -> set[tuple[AccountName, ExecId]]:
        return {(fill.account, fill.exec_id) for fill in self.reading.fills}


class RawReplay:
    """Hands what can be read by now to the writer, the one way in, and notes at each message what came of it.

    Messages are marked by work that is queued behind their fills, so a mark means that the fills are in the ledger. A
    crash in between reads them again, and the recorder finds their fills there. Everything here happens on the writer's
    thread.
    """

    def __init__(self, writer: Writer, alerts: AlertWriter) -> None:
        self._writer, self._alerts = writer, alerts
        self._epochs: dict[AccountName, int] = {}
        self._rounds: dict[AccountName, _Round] = {}
        self._busy: set[AccountName] = set()
        self._asked_until: int | None = None
        self._new: set[tuple[AccountName, ExecId]] = set()

    def take_turn(self, connection: Connection, epochs: Mapping[AccountName, int]) -> None:
        """A page of each account that has something to do. `epochs` are the accounts this process holds."""
        if self._asked_until is None:
            # Somebody may have asked while no listener was there, and wait for the answer.
            self._asked_until = last_request_before(connection, _WAITED_FOR_S)
        for account, epoch in epochs.items():
            if self._epochs.get(account) != epoch:
                # Taken since the last turn: whoever held it before may have been an older release.
                self._epochs[account] = epoch
                self._rounds[account] = _Round([])
        for request in requests_after(connection, self._asked_until, list(epochs)):
            self._asked_until = max(self._asked_until, request.number)
            earlier = self._rounds.get(request.account)
            # From the first message on; who asked before is answered with it.
            self._rounds[request.account] = _Round([*(earlier.requests if earlier else ()), request.number])
        for account, round_ in list(self._rounds.items()):
            if account not in epochs:
                del self._rounds[account]
            elif account not in self._busy:
                self._replay_page(connection, account, round_)

    def committed(self, recorded: Iterable[RecordedFill]) -> None:
        """Of what is replayed, these fills were new."""
        new = (each.fill for each in recorded if each.source is FillSource.REPLAY)
        self._new.update((fill.account, fill.exec_id) for fill in new)

    def _replay_page(self, connection: Connection, account: AccountName, round_: _Round) -> None:
        page = waiting_raw_events(connection, _PAGE, account=account, after=round_.after)
        if not page:
            del self._rounds[account]
            self._answer(account, round_)
            return
        tried = [self._try(event) for event in page]

        def marked(done: Future[_Count]) -> None:
            self._busy.discard(account)
            for each in tried:
                self._new -= each.fills
            if done.cancelled() or (error := done.exception()) is not None:
                why = "the process ends" if done.cancelled() else str(error)
                log.warning("raw_replay_waits", account=account, reason=why)
                return
            round_.after = page[-1].number
            round_.count.add(done.result())

        self._busy.add(account)
        self._writer.run(lambda connection: self._mark(connection, tried), account=account).add_done_callback(marked)

    def _try(self, event: RawEvent) -> _Tried:
        try:
            reading = read_again(event)
        except UnknownMessage as error:
            return _Tried(event, unreadable=error.reason)
        heard = [Heard(fill=fill, source=FillSource.REPLAY, received_at=event.received_at) for fill in reading.fills]
        return _Tried(event, reading, self._writer.record(heard) if heard else None)

    def _mark(self, connection: Connection, page: Sequence[_Tried]) -> _Count:
        """Comes behind the fills of the page: those that were not refused are in the ledger."""
        count = _Count()
        unclaimed = set(self._new)
        for tried in page:
            number, reason = tried.event.number, tried.unreadable
            if tried.submission is not None and tried.submission.fenced:
                # Its fills were let go: whoever holds the account now reads it again.
                raise Fenced(tuple(sorted(tried.submission.fenced)))
            if tried.submission is not None and tried.submission.refused:
                reason = "it can be read, and the ledger does not take it"
            if reason:
                count.unreadable.append(reason)
                mark_unreadable(connection, number, reason)
                continue
            new = tried.fills & unclaimed
            unclaimed -= new
            upsert_orders(connection, [(order, _owner(connection, order)) for order in tried.reading.orders])
            mark_replayed(connection, number, _result(tried.reading, len(new)))
            count.read += 1
            count.recorded += len(new)
        return count

    def _answer(self, account: AccountName, round_: _Round) -> None:
        count = round_.count
        tried = count.read + len(count.unreadable)
        if not tried and not round_.requests:
            return
        reasons = sorted(set(count.unreadable))[:5]
        log.info("raw_replayed", account=account, read=count.read, recorded=count.recorded, unreadable=reasons)
        for request in round_.requests or [0]:
            self._alerts.alert(
                REPLAYED,
                f"{count.read} of {tried} messages that were kept raw could be read: {count.recorded} fills recorded",
                severity="warning" if count.unreadable else "info",
                account=account,
                request=request,
                read=count.read,
                recorded=count.recorded,
                unreadable=len(count.unreadable),
                reasons=reasons,
            )


def _result(reading: Reading, new: int) -> str:
    said = []
    if reading.fills:
        known = len(reading.fills) - new
        said.append(f"{new} fills recorded" + (f", {known} were there already" if known else ""))
    if reading.orders:
        said.append(f"{len(reading.orders)} orders stored")
    if reading.passing:
        said.append("of a moment that has passed")
    return "; ".join(said) or "nothing in it"


def _owner(connection: Connection, order: Order) -> BotId | None:
    """The bot whose tag the order carries. One without a tag gets its owner from its next report."""
    tag = OrderLinkId.parse(order.order_link_id)
    return None if tag is None else bot_with_code(connection, tag.code, order.account)
