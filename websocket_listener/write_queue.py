"""What waits to be written to PostgreSQL, and in which order it goes."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, final

from alpha.domain.errors import AlphaError
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition
from alpha.ledger.connection import Connection
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.positions import age

# Orders and positions wait a little, since nobody decides on them from PostgreSQL: the fill that comes right after an
# order's report is not held up by it, and of several reports only the last is written.
_STATES_WAIT_S = 0.2
_STATES_GIVE_WAY_S = 1.0
_ORDERS_AT_ONCE = 500


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Heard:
    """A fill as it came in, before anybody asked whose it is. Both times are wall clock."""

    fill: Final[Fill]
    source: Final[FillSource]
    received_at: Final[datetime]
    frame_at: Final[datetime | None]

    def __init__(
        self,
        fill: Fill,
        source: FillSource,
        received_at: datetime,
        frame_at: datetime | None = None,
    ) -> None:
        self.fill = fill
        self.source = source
        self.received_at = received_at
        self.frame_at = frame_at


class Submission:
    """Fills handed in together, each of them to end in the ledger, `refused` by it, or let go because its account is
    `fenced`."""

    __slots__ = ("_done", "_settled", "fenced", "fills", "refused")

    # One for all: an event for each submission would cost more than everything else that is done with it, and nearly
    # nobody waits for one.
    _waiting: ClassVar = threading.Lock()

    def __init__(self, fills: Sequence[Heard]) -> None:
        self.fills = fills
        self.refused: list[ExecId] = []
        self.fenced: frozenset[AccountName] = frozenset()
        self._settled = False
        self._done: threading.Event | None = None

    @property
    def done(self) -> threading.Event:
        """Set when all of it has ended."""
        with self._waiting:
            if self._done is None:
                self._done = threading.Event()
                if self._settled:
                    self._done.set()
            return self._done

    @classmethod
    def settle(cls, submissions: Iterable[Submission]) -> None:
        """These have ended."""
        with cls._waiting:
            for submission in submissions:
                submission._settled = True
                if submission._done is not None:
                    submission._done.set()


@dataclass(frozen=True, slots=True)
class Job:
    """Work of another kind that has to happen after the fills handed in before it. It may be repeated when the
    connection is lost, so a repeat must change nothing. With an account it is done only while the account's epoch is
    the one that was held when the work was handed in."""

    work: Callable[[Connection], Any]
    result: Future[Any]
    account: AccountName | None = None
    epoch: int | None = None


class QueueFull(AlphaError):
    """Too much work waits for PostgreSQL: this piece was let go."""


@dataclass(slots=True)
class Batch:
    """What one turn of the writer does: fills first, then a job, then the latest orders and positions."""

    submissions: list[Submission] = field(default_factory=list)
    job: Job | None = None
    orders: list[tuple[Order, BotId | None]] = field(default_factory=list)
    positions: list[ExchangePosition] = field(default_factory=list)
    is_recorded: bool = False
    """Whether the fills are done with: in the ledger, refused one by one, or let go as fenced."""

    @property
    def fills(self) -> list[Heard]:
        return [heard for submission in self.submissions for heard in submission.fills]


class WriteQueue:
    """Fills and jobs in the order they came; of each order and position only the latest report.

    Bounded: above `max_fills` the stream's fills are let go on purpose. Nothing is lost by that: the account's proven
    edge does not pass them, and recovery reads them again. Above `max_jobs` work is refused, and of orders the oldest
    are forgotten. So memory stays flat while PostgreSQL is away.
    """

    def __init__(
        self, *, max_fills: int = 100_000, max_batch: int = 2_000, max_states: int = 20_000, max_jobs: int = 1_000
    ) -> None:
        self._max_fills, self._max_batch, self._max_states = max_fills, max_batch, max_states
        self._max_jobs, self._jobs = max_jobs, 0
        self._changed = threading.Condition()
        self._waiting: deque[Submission | Job] = deque()
        self._fills = 0
        self._orders: OrderedDict[tuple[AccountName, OrderId], tuple[Order, BotId | None]] = OrderedDict()
        self._positions: dict[tuple[AccountName, Symbol, int], ExchangePosition] = {}
        self._states_due_s = math.inf
        self._has_ended = False
        self.dropped = 0

    def put_fills(self, fills: Sequence[Heard], *, droppable: bool) -> Submission | None:
        """None when the bound is reached and the fills were let go."""
        with self._changed:
            if droppable and self._fills + len(fills) > self._max_fills:
                self.dropped += len(fills)
                return None
            submission = Submission(fills)
            self._waiting.append(submission)
            self._fills += len(fills)
            self._changed.notify()
            return submission

    def put_job(self, job: Job) -> None:
        """Raises QueueFull when the bound is reached. After the end it is let go like what waited then."""
        with self._changed:
            if not self._has_ended:
                if self._jobs >= self._max_jobs:
                    raise QueueFull(f"{self._jobs} pieces of work wait for PostgreSQL already")
                self._jobs += 1
                self._waiting.append(job)
                self._changed.notify()
                return
        job.result.cancel()

    def put_orders(self, orders: Sequence[tuple[Order, BotId | None]]) -> None:
        """The latest report of an order takes the place of one that waits. Beyond the bound the oldest are forgotten:
        the next refresh over REST tells them again."""
        with self._changed:
            for order, bot in orders:
                self._orders[(order.account, order.order_id)] = (order, bot)
                if len(self._orders) > self._max_states:
                    self._orders.popitem(last=False)
            self._states_wait()

    def put_positions(self, positions: Sequence[ExchangePosition]) -> None:
        with self._changed:
            for position in positions:
                key = (position.account, position.symbol, position.position_idx)
                # An answer of REST may be older than what the stream has said meanwhile.
                if key not in self._positions or age(self._positions[key]) <= age(position):
                    self._positions[key] = position
            self._states_wait()

    def take(self, timeout_s: float) -> Batch:
        """Whatever waits, up to a batch: fills up to the first job, or that job; states that waited. Empty after
        `timeout_s` of nothing."""
        with self._changed:
            give_up_s = time.monotonic() + timeout_s
            while not self._waiting and (now_s := time.monotonic()) < min(self._states_due_s, give_up_s):
                self._changed.wait(min(self._states_due_s, give_up_s) - now_s)
            batch = Batch()
            taken = 0
            while self._waiting and taken < self._max_batch:
                first = self._waiting[0]
                if isinstance(first, Job):
                    if not batch.submissions:
                        self._waiting.popleft()
                        self._jobs -= 1
                        batch.job = first
                    break
                self._waiting.popleft()
                batch.submissions.append(first)
                taken += len(first.fills)
            self._take_states(batch)
            return batch

    def settle(self, batch: Batch) -> None:
        """The batch is done with; its fills no longer count as waiting."""
        with self._changed:
            self._fills -= len(batch.fills)
        Submission.settle(batch.submissions)

    def abandon(self) -> int:
        """Let go of everything at the end of the process; answers how many fills that were."""
        with self._changed:
            self._has_ended = True
            waiting, self._waiting = self._waiting, deque()
            left, self._fills, self._jobs = self._fills, 0, 0
        for item in waiting:
            if isinstance(item, Job):
                item.result.cancel()
        return left

    @property
    def backlog(self) -> int:
        """Fills that are not committed yet, those being written included."""
        return self._fills

    def _take_states(self, batch: Batch) -> None:
        """Not while more fills wait than one batch holds, up to a bound; and not so many at once that the fills which
        come meanwhile would wait for long."""
        overdue_s = time.monotonic() - self._states_due_s
        if overdue_s < 0 or (self._waiting and overdue_s < _STATES_GIVE_WAY_S):
            return
        while self._orders and len(batch.orders) < _ORDERS_AT_ONCE:
            batch.orders.append(self._orders.popitem(last=False)[1])
        batch.positions = list(self._positions.values())
        self._positions.clear()
        if not self._orders:
            self._states_due_s = math.inf

    def _states_wait(self) -> None:
        if (self._orders or self._positions) and self._states_due_s == math.inf:
            self._states_due_s = time.monotonic() + _STATES_WAIT_S
            self._changed.notify()

    @property
    def anything_waits(self) -> bool:
        return bool(self._waiting or self._orders or self._positions)

    @property
    def waiting(self) -> int:
        """Everything that waits: fills, work, orders and positions."""
        return self._fills + self._jobs + len(self._orders) + len(self._positions)
