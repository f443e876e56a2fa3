"""The one writer: everything this process puts into PostgreSQL goes through here, in the order it was handed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from alpha.domain.errors import AlphaError, DomainError
from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.order import Order
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.backoff import Backoff
from alpha.exchange.parse import infer_position_idx
from alpha.ledger.assignments import insert_assignments, unattributed_fills
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, Dsn, LedgerRefused, LedgerUnavailable, connect, transaction
from alpha.ledger.fills import Fenced, FillRecorder, HeardFill, RecordResult
from alpha.ledger.heads import lock_heads
from alpha.ledger.orders import bot_of_order, upsert_orders
from alpha.ledger.positions import upsert_positions
from websocket_listener.attribution import AccountOwners, attribute
from websocket_listener.holders import Holders, OrderOwners
from websocket_listener.untold_fills import UntoldFills
from websocket_listener.write_queue import Batch, Heard, Job, Submission, WriteQueue

log = structlog.get_logger()
_T = TypeVar("_T")
_U = TypeVar("_U")
_IDLE_S = 0.3
_TURN_S = 1.0
# Below the time after which a writer that gets nowhere loses its leases, so that what holds it up is named before.
_STATEMENT_TIMEOUT_S = 8.0


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

    Everything that is written for an account is written under the epoch it was taken with, and nothing once another
    process has raised it: fills, orders, positions, and work handed in for an account.

    `on_committed`, `on_refused` and `on_fenced` are called on the writer's thread and must not block. `on_turn` is
    called there about every second, while PostgreSQL answers, with the accounts and epochs that are written for;
    `on_lost` when a connection is lost, before anything is written on the next one: that may lead to an older ledger.
    """

    def __init__(
        self,
        dsn: Dsn,
        *,
        on_committed: Callable[[RecordResult], None],
        on_refused: Callable[[Refused], None],
        on_fenced: Callable[[AccountName], None],
        on_turn: Callable[[Connection, Mapping[AccountName, int]], None] = lambda *_: None,
        on_lost: Callable[[], None] = lambda: None,
        queue: WriteQueue | None = None,
        statement_timeout_s: float = _STATEMENT_TIMEOUT_S,
    ) -> None:
        self._dsn, self._statement_timeout_s = dsn, statement_timeout_s
        self._on_committed, self._on_refused, self._on_fenced = on_committed, on_refused, on_fenced
        self._on_turn, self._on_lost = on_turn, on_lost
        self._next_turn_s = 0.0
        self._queue = queue or WriteQueue()
        self._owners: dict[AccountName, AccountOwners] = {}
        # Other threads change the first of these at any time; what one attempt at writing goes by is the second.
        self._epochs: dict[AccountName, int] = {}
        self._attempted: dict[AccountName, int] = {}
        self._holders, self._order_owners, self._untold = Holders(), OrderOwners(), UntoldFills()
        self._stopping = threading.Event()
        self._give_up_at: float | None = None
        self._connection: Connection | None = None
        self._recorder: FillRecorder | None = None
        self._backoff = Backoff(first_s=0.05, cap_s=1.0)
        self._losses = 0
        self._busy_since_s: float | None = None
        self._own_thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self.available = False
        """Whether PostgreSQL took the last thing that was asked of it."""
        self.trouble = ""
        """What it said instead, "" while it is available."""

    def start(self) -> None:
        self._own_thread.start()

    def stop(self, drain_s: float = 5.0) -> int:
        """Write what waits, for at most `drain_s`; answers how many fills were left for the next start's recovery."""
        self._give_up_at = time.monotonic() + drain_s
        self._stopping.set()
        self._own_thread.join(drain_s + 15)
        return self._queue.abandon()

    def add_account(self, owners: AccountOwners, epoch: int, books: Iterable[TradeBook]) -> None:
        """From now on fills of this account may be handed in, to be written under the epoch it was taken with."""
        self._owners[owners.account] = owners
        self._epochs[owners.account] = epoch
        self._holders.folded(books)

    def books_changed(self, books: Iterable[TradeBook]) -> None:
        """Books that came to be outside of a batch of fills. On the writer's thread."""
        self._holders.folded(books)

    def drop_account(self, account: AccountName) -> None:
        """Another process writes for the account from now on: what waits of it is let go."""
        self._epochs.pop(account, None)

    def record(self, fills: Sequence[Heard], *, droppable: bool = False) -> Submission | None:
        """Hand in fills. None when the queue is full and they were let go (never when not `droppable`)."""
        return self._queue.put_fills(fills, droppable=droppable)

    def run(self, work: Callable[[Connection], _T], *, account: AccountName | None = None) -> Future[_T]:
        """Work that happens after the fills handed in before it; see `Job`. For an account it is done in a transaction
        that holds the account's head. The future carries Fenced when somebody else holds it, and QueueFull when too
        much waits already. Once the writer has ended it is cancelled."""
        result: Future[_T] = Future()
        epoch = None if account is None else self._epochs.get(account)
        try:
            if account is not None and epoch is None:
                raise Fenced((account,))
            self._queue.put_job(Job(work, result, account, epoch))
        except AlphaError as error:
            result.set_exception(error)
        return result

    def save_orders(self, orders: Sequence[tuple[Order, BotId | None]]) -> None:
        for order, bot in orders:
            if bot is not None:
                self._order_owners.heard(order.account, order.order_id, bot)
        self._queue.put_orders(orders)

    def save_positions(self, positions: Sequence[ExchangePosition]) -> None:
        self._queue.put_positions(positions)

    @property
    def accounts(self) -> frozenset[AccountName]:
        """The accounts that are written for now."""
        return frozenset(dict(self._epochs))

    def knows_past_of(self, account: AccountName) -> bool:
        """Whether the ledger was asked which of the account's fills nobody owns: their orders may tell yet."""
        return account in self._untold.known

    @property
    def backlog(self) -> int:
        """Fills that are not committed yet."""
        return self._queue.backlog

    @property
    def waiting(self) -> int:
        """Everything that waits: fills, work, orders and positions."""
        return self._queue.waiting

    @property
    def busy_for_s(self) -> float:
        """How long it has been at one and the same piece of work, its repetitions included; 0 when idle."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

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
                for heard in () if batch.is_recorded else batch.fills:
                    self._on_refused(Refused(heard=heard, reason="the writer failed; see its log"))
                    _mark_refused(batch, heard)
            finally:
                self._queue.settle(batch)
        if self._connection is not None:
            self._connection.close()

    def _write(self, batch: Batch) -> None:
        if batch.fills:
            self._record(batch, batch.fills)
            batch.is_recorded = True
        if batch.job is not None:
            self._do(batch.job)
        if batch.orders or batch.positions:
            self._save_states(batch.orders, batch.positions)
        if time.monotonic() >= self._next_turn_s:
            self._next_turn_s = time.monotonic() + _TURN_S
            self._take_turn()

    def _take_turn(self) -> None:
        """Also for its own sake: a connection that died while nothing was written is found before the next fill."""

        def turn(connection: Connection) -> None:
            with transaction(connection) as cursor:
                cursor.execute("SELECT 1")
            epochs = dict(self._epochs)
            for account in epochs.keys() - self._untold.known:
                # Fills of an earlier process, whose orders may tell only now.
                self._untold.of_ledger(account, unattributed_fills(connection, account))
            self._on_turn(connection, epochs)

        try:
            self._persist(turn)
        except _GivenUp:
            raise
        except Exception:
            # It is tried again at the next turn, and says nothing of what this batch has written.
            log.exception("turn_failed")

    def _attempt(self) -> None:
        self._attempted.clear()
        self._attempted.update(dict(self._epochs))

    def _give_up(self, accounts: Iterable[AccountName], epochs: Mapping[AccountName, int]) -> None:
        """The accounts were fenced when written for under `epochs`; one that was taken again meanwhile is ours."""
        for account in accounts:
            if account in self._epochs and self._epochs.get(account) == epochs.get(account):
                self._epochs.pop(account, None)
                self._on_fenced(account)

    def _record(self, batch: Batch, fills: Sequence[Heard]) -> None:
        """Of accounts that are not ours any more nothing is written: who holds them recovers it."""
        _mark_fenced(batch, {heard.fill.account for heard in fills} - self._epochs.keys())
        fills = [heard for heard in fills if heard.fill.account in self._epochs]
        if not fills:
            return
        losses = self._losses
        try:
            result = self._persist(lambda connection: self._record_once(connection, fills))
            if self._losses != losses:
                # The commit whose answer was lost may have happened: the repeat then found its fills already there and
                # says nothing of the books they changed.
                result = replace(result, books=self._books_of({heard.fill.account for heard in fills}))
        except Fenced as fenced:
            self._give_up(fenced.accounts, self._attempted)
            self._record(batch, fills)
        except (LedgerRefused, DomainError) as error:
            self._record_in_parts(batch, fills, error)
        else:
            self._holders.folded(result.books.values())
            self._untold.recorded(result.recorded)
            self._on_committed(result)

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
            self._recorder = FillRecorder(connection, self._attempted)
        self._attempt()
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
        return HeardFill(fill, attribution, heard.source, heard.received_at, position_idx, heard.frame_at)

    def _do(self, job: Job) -> None:
        if job.account is not None and self._epochs.get(job.account) != job.epoch:
            # The account was dropped since: the fills handed in before the job were let go, and it counts on them.
            job.result.set_exception(Fenced((job.account,)))
            return
        try:
            result = self._persist(lambda connection: _under_epoch(connection, job))
        except _GivenUp:
            job.result.cancel()
            raise
        except Fenced as fenced:
            if job.account is not None and job.epoch is not None:
                self._give_up(fenced.accounts, {job.account: job.epoch})
            job.result.set_exception(fenced)
        except Exception as error:  # noqa: BLE001 - it is the caller's: the future carries it there
            job.result.set_exception(error)
        else:
            job.result.set_result(result)

    def _save_states(self, orders: Sequence[tuple[Order, BotId | None]], positions: Sequence[ExchangePosition]) -> None:
        """Of accounts that are not ours any more nothing is written. Reports that are refused must not keep the others
        out: halves, until one is alone."""
        orders = [each for each in orders if each[0].account in self._epochs]
        positions = [each for each in positions if each.account in self._epochs]
        if not orders and not positions:
            return
        try:
            self._persist(lambda connection: self._save_states_once(connection, orders, positions))
            self._untold.settle([order for order, bot in orders if bot is not None])
        except Fenced as fenced:
            self._give_up(fenced.accounts, self._attempted)
            self._save_states(orders, positions)
        except (LedgerRefused, DomainError, ValueError) as error:  # ValueError: the driver's, for text with a NUL
            if len(orders) + len(positions) == 1:
                log.error("state_refused", reason=str(error), orders=orders, positions=positions)
                return
            for some_orders, some_positions in _split(orders, positions):
                self._save_states(some_orders, some_positions)

    def _save_states_once(
        self,
        connection: Connection,
        orders: Sequence[tuple[Order, BotId | None]],
        positions: Sequence[ExchangePosition],
    ) -> None:
        accounts = {order.account for order, _ in orders} | {position.account for position in positions}
        self._attempt()
        with transaction(connection) as cursor:
            # Not worth a wait for the disk: what a crash of the server forgets, the next refresh tells again.
            cursor.execute("SET LOCAL synchronous_commit = off")
            lock_heads(cursor, {account: self._attempted.get(account) for account in accounts})
            upsert_orders(connection, orders)
            upsert_positions(connection, positions)
            claimed = [each for order, _ in orders for each in self._untold.claimed(self._owners[order.account], order)]
            if claimed:
                insert_assignments(cursor, claimed)

    def _persist(self, work: Callable[[Connection], _T]) -> _T:
        """Do the work on the connection, again and again while PostgreSQL is away. Raises what the work raises else."""
        self._busy_since_s = time.monotonic()
        try:
            while True:
                try:
                    done = work(self._connected())
                except LedgerUnavailable as error:
                    self._lost(error)
                else:
                    if not self.available:
                        log.info("ledger_available")
                    self.available, self.trouble = True, ""
                    self._backoff.reset()
                    return done
        finally:
            self._busy_since_s = None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._recorder = None
            self._connection = connect(self._dsn, "alpha-listener", self._statement_timeout_s)
        return self._connection

    def _lost(self, error: LedgerUnavailable) -> None:
        if self.available or self._backoff.attempts == 0:
            log.warning("ledger_unavailable", reason=str(error), backlog=self.backlog)
        self.available, self.trouble = False, str(error)
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


def _under_epoch(connection: Connection, job: Job) -> Any:
    if job.account is None:
        return job.work(connection)
    with transaction(connection) as cursor:
        lock_heads(cursor, {job.account: job.epoch})
        return job.work(connection)


def _split(orders: Sequence[_T], positions: Sequence[_U]) -> list[tuple[Sequence[_T], Sequence[_U]]]:
    if orders and positions:
        return [(orders, ()), ((), positions)]
    a, b = len(orders) // 2, len(positions) // 2
    return [(orders[:a], positions[:b]), (orders[a:], positions[b:])]


def _mark_fenced(batch: Batch, accounts: set[AccountName]) -> None:
    if not accounts:
        return
    for submission in batch.submissions:
        submission.fenced |= accounts & {heard.fill.account for heard in submission.fills}


def _mark_refused(batch: Batch, heard: Heard) -> None:
    for submission in batch.submissions:
        if any(heard is one for one in submission.fills):
            submission.refused.append(heard.fill.exec_id)
