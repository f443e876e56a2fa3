"""The one writer: everything this process puts into PostgreSQL goes through here, in the order it was handed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from alpha.domain.errors import AlphaError, DomainError
from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.order import Order
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.backoff import Backoff
from alpha.exchange.parse import infer_position_idx
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, Dsn, LedgerRefused, LedgerUnavailable, connect
from alpha.ledger.fills import Fenced, FillRecorder, HeardFill, RecordResult
from alpha.ledger.orders import bot_of_order, upsert_orders
from alpha.ledger.positions import upsert_positions
from websocket_listener.attribution import AccountOwners, attribute
from websocket_listener.holders import Holders, OrderOwners
from websocket_listener.write_queue import Batch, Heard, Job, Submission, WriteQueue

log = structlog.get_logger()
_T = TypeVar("_T")
_IDLE_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A batch that is in the ledger, and the wall time at which its commit was known."""

    result: RecordResult
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fill that the ledger does not take. It is not lost: the caller keeps it raw and says so."""

    heard: Heard
    reason: str


class Writer:
    """One thread, one connection. Whatever waits is one transaction (group commit).

    While PostgreSQL is away it tries again with the same batch until it is taken: the recorder drops what is there
    already, so a commit whose answer was lost does no harm. A fenced account is taken out and the others go on; so is a
    single fill that the ledger refuses.

    `on_committed`, `on_refused` and `on_fenced` are called on the writer's thread and must not block. `on_turn` is
    called there about every 300 ms, while PostgreSQL answers, with the accounts and epochs that are written for;
    `on_lost` when a connection is lost, before anything is written on the next one: that may lead to an older ledger.
    """

    def __init__(
        self,
        dsn: Dsn,
        *,
        on_committed: Callable[[Committed], None],
        on_refused: Callable[[Refused], None],
        on_fenced: Callable[[AccountName], None],
        on_turn: Callable[[Connection, Mapping[AccountName, int]], None] = lambda *_: None,
        on_lost: Callable[[], None] = lambda: None,
        queue: WriteQueue | None = None,
    ) -> None:
        self._dsn = dsn
        self._on_committed, self._on_refused, self._on_fenced = on_committed, on_refused, on_fenced
        self._on_turn, self._on_lost = on_turn, on_lost
        self._next_turn_s = 0.0
        self._queue = queue or WriteQueue()
        self._owners: dict[AccountName, AccountOwners] = {}
        self._epochs: dict[AccountName, int] = {}
        self._holders, self._order_owners = Holders(), OrderOwners()
        self._stopping = threading.Event()
        self._give_up_at: float | None = None
        self._connection: Connection | None = None
        self._recorder: FillRecorder | None = None
        self._backoff = Backoff(first_s=0.05, cap_s=1.0)
        self._losses = 0
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self.available = False
        """Whether PostgreSQL took the last thing that was asked of it."""

    def start(self) -> None:
        self._thread.start()

    def stop(self, drain_s: float = 5.0) -> int:
        """Write what waits, for at most `drain_s`; answers how many fills were left for the next start's recovery."""
        self._give_up_at = time.monotonic() + drain_s
        self._stopping.set()
        self._thread.join(drain_s + 15)
        return self._queue.abandon()

    def add_account(self, owners: AccountOwners, epoch: int, books: Iterable[TradeBook]) -> None:
        """From now on fills of this account may be handed in, to be written under the epoch it was taken with."""
        self._owners[owners.account] = owners
        self._epochs[owners.account] = epoch
        self._holders.folded(books)

    def record(self, fills: Sequence[Heard], *, droppable: bool = False) -> Submission | None:
        """Hand in fills. None when the queue is full and they were let go (never when not `droppable`)."""
        return self._queue.put_fills(fills, droppable=droppable)

    def run(self, work: Callable[[Connection], _T]) -> Future[_T]:
        """Work that happens after the fills handed in before it; see `Job`."""
        result: Future[_T] = Future()
        self._queue.put_job(Job(work, result))
        return result

    def save_orders(self, orders: Sequence[tuple[Order, BotId | None]]) -> None:
        for order, bot in orders:
            if bot is not None:
                self._order_owners.heard(order.account, order.order_id, bot)
        self._queue.put_orders(orders)

    def save_positions(self, positions: Sequence[ExchangePosition]) -> None:
        self._queue.put_positions(positions)

    @property
    def backlog(self) -> int:
        """Fills that are not committed yet."""
        return self._queue.backlog

    @property
    def dropped(self) -> int:
        """Fills that were let go at the queue's bound since the start; recovery reads them again."""
        return self._queue.dropped

    def _run(self) -> None:
        while not (self._stopping.is_set() and not self._queue.anything_waits):
            batch = self._queue.take(_IDLE_S)
            try:
                self._write(batch)
            except _GivenUp:
                return
            except Exception:
                # Whatever it is, the batch must not be lost and the thread must not end: recovery reads it again.
                log.exception("writer_failed", fills=len(batch.fills))
                if batch.job is not None and not batch.job.result.done():
                    batch.job.result.cancel()
                for heard in batch.fills:
                    self._on_refused(Refused(heard=heard, reason="the writer failed; see its log"))
                    _mark_refused(batch, heard)
            finally:
                self._queue.settle(batch)
        if self._connection is not None:
            self._connection.close()

    def _write(self, batch: Batch) -> None:
        if batch.fills:
            self._record(batch, batch.fills)
        if batch.job is not None:
            self._do(batch.job)
        if batch.orders or batch.positions:
            self._save_states(batch)
        if time.monotonic() >= self._next_turn_s:
            self._next_turn_s = time.monotonic() + _IDLE_S
            self._take_turn()

    def _take_turn(self) -> None:
        try:
            self._persist(lambda connection: self._on_turn(connection, dict(self._epochs)))
        except Fenced as error:
            self._give_up(error.accounts)

    def _give_up(self, accounts: Iterable[AccountName]) -> None:
        for account in accounts:
            if self._epochs.pop(account, None) is not None:
                self._on_fenced(account)

    def _record(self, batch: Batch, fills: Sequence[Heard]) -> None:
        losses = self._losses
        try:
            result = self._persist(lambda connection: self._record_once(connection, fills))
            if self._losses != losses:
                # The commit whose answer was lost may have happened: the repeat then found its fills already there and
                # says nothing of the books they changed.
                result = replace(result, books=self._books_of({heard.fill.account for heard in fills}))
        except Fenced as error:
            self._give_up(error.accounts)
            rest = [heard for heard in fills if heard.fill.account in self._epochs]
            for heard in fills:
                if heard.fill.account not in self._epochs:
                    _mark_refused(batch, heard)
            if rest:
                self._record(batch, rest)
        except (LedgerRefused, DomainError) as error:
            self._record_in_parts(batch, fills, error)
        else:
            self._holders.folded(result.books.values())
            self._on_committed(Committed(result=result, at=datetime.now(UTC)))

    def _books_of(self, accounts: set[AccountName]) -> dict[BookKey, TradeBook]:
        def read(connection: Connection) -> dict[BookKey, TradeBook]:
            return {book.key: book for account in sorted(accounts) for book in books_of_account(connection, account)}

        return self._persist(read)

    def _record_in_parts(self, batch: Batch, fills: Sequence[Heard], error: AlphaError) -> None:
        """One fill that is refused must not hold up the others: halves, until it is alone."""
        if len(fills) == 1:
            self._on_refused(Refused(heard=fills[0], reason=str(error)))
            _mark_refused(batch, fills[0])
            return
        middle = len(fills) // 2
        self._record(batch, fills[:middle])
        self._record(batch, fills[middle:])

    def _record_once(self, connection: Connection, fills: Sequence[Heard]) -> RecordResult:
        if self._recorder is None:
            self._recorder = FillRecorder(connection, self._epochs)
        return self._recorder.record([self._attributed(connection, heard) for heard in fills])

    def _attributed(self, connection: Connection, heard: Heard) -> HeardFill:
        fill = heard.fill
        owners = self._owners[fill.account]
        position_idx = infer_position_idx(fill, owners.hedge)

        def owner_of_order(order_id: OrderId) -> BotId | None:
            return self._order_owners.of(fill.account, order_id) or bot_of_order(connection, fill.account, order_id)

        attribution = attribute(
            fill,
            owners,
            position_idx=position_idx,
            owner_of_order=owner_of_order,
            holder_of=lambda symbol, idx: self._holders.holder_of(fill.account, symbol, idx),
        )
        return HeardFill(
            fill=fill,
            attribution=attribution,
            position_idx=position_idx,
            source=heard.source,
            frame_at=heard.frame_at,
            received_at=heard.received_at,
        )

    def _do(self, job: Job) -> None:
        try:
            result = self._persist(job.work)
        except _GivenUp:
            job.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's: the future carries it there
            job.result.set_exception(error)
        else:
            job.result.set_result(result)

    def _save_states(self, batch: Batch) -> None:
        try:
            if batch.orders:
                self._persist(lambda connection: upsert_orders(connection, batch.orders))
            if batch.positions:
                self._persist(lambda connection: upsert_positions(connection, batch.positions))
        except LedgerRefused as error:
            log.error("states_refused", reason=str(error), orders=len(batch.orders), positions=len(batch.positions))

    def _persist(self, work: Callable[[Connection], _T]) -> _T:
        """Do the work on the connection, again and again while PostgreSQL is away. Raises what the work raises else."""
        while True:
            try:
                connection = self._connected()
                done = work(connection)
            except LedgerUnavailable as error:
                self._lost(error)
            else:
                if not self.available:
                    log.info("ledger_available")
                self.available = True
                self._backoff.reset()
                return done

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._recorder = None
            self._connection = connect(self._dsn, "alpha-listener")
        return self._connection

    def _lost(self, error: LedgerUnavailable) -> None:
        if self.available or self._backoff.attempts == 0:
            log.warning("ledger_unavailable", reason=str(error), backlog=self.backlog)
        self.available = False
        self._losses += 1
        self._on_lost()
        if self._connection is not None:
            self._connection.close()
            self._connection, self._recorder = None, None
        if self._give_up_at is not None and time.monotonic() > self._give_up_at:
            raise _GivenUp
        self._stopping.wait(self._backoff.next_delay_s()) if self._give_up_at is None else time.sleep(0.1)


class _GivenUp(Exception):
    """The process ends and PostgreSQL is not there."""


def _mark_refused(batch: Batch, heard: Heard) -> None:
    for submission in batch.submissions:
        if any(heard is one for one in submission.fills):
            submission.refused.append(heard.fill.exec_id)
