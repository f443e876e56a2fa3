"""The one reader of execution pages: recovery, verification and repair all read a past through here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from alpha.domain.clock import from_ms, to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.fill import Fill
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import LINEAR, parse_fill

if TYPE_CHECKING:
    from alpha.exchange.rest import ExchangeClient

MAX_WINDOW = timedelta(days=7)
MILLISECOND = timedelta(milliseconds=1)
MOST_IN_WINDOW = 2_000
"""Executions held in memory at once by a reader."""
# So many spans before a dense part windows begin to be as short as they have to be within it.
_NEAR = 64


def windows(since: datetime, until: datetime, span: timedelta = MAX_WINDOW) -> Iterator[tuple[datetime, datetime]]:
    """Contiguous windows [start, end], both ends included, which together cover [since, until] once, oldest first.

    Bounds are whole milliseconds, as the wire has no finer ones: `since` is rounded down, `until` too. A window spans
    at most 7 days (a longer one is refused), and the next begins one millisecond after it, so nothing lies between two
    and nothing is in both. Raises InvalidValue when `until` is before `since`.
    """
    if until < since:
        raise InvalidValue(f"executions until {until.isoformat()} cannot begin at {since.isoformat()}")
    start, last = _whole_ms(since), _whole_ms(until)
    while start <= last:
        end = min(start + span, last)
        yield start, end
        start = end + MILLISECOND


@dataclass(frozen=True, slots=True)
class ExecutionWindow:
    """What the exchange told of [start, end], both ends included, read to the last page: without doubles, in execution
    order. `unreadable` are the rows that could not be read: with any of them the window has a hole."""

    start: datetime
    end: datetime
    fills: tuple[Fill, ...]
    unreadable: tuple[UnknownMessage, ...] = ()


def walk_executions(
    client: ExchangeClient,
    since: datetime,
    until: datetime,
    *,
    category: str = LINEAR,
    on_unreadable: Callable[[UnknownMessage], None] | None = None,
) -> Iterator[list[Fill]]:
    """Every execution with since <= exec_time <= until (market clock), as a list per window, oldest window first.

    A row that cannot be read goes to `on_unreadable`, raw, and the walk continues: the caller keeps it and does not
    call the window proven. Without `on_unreadable` it raises UnknownMessage, because a window with a hole in it is not
    a window. Raises ExchangeError as the client does.
    """
    for window in walk_windows(client, since, until, category=category):
        for error in window.unreadable:
            if on_unreadable is None:
                raise error
            on_unreadable(error)
        yield list(window.fills)


def walk_windows(
    client: ExchangeClient,
    since: datetime,
    until: datetime,
    *,
    category: str = LINEAR,
    readers: int = 0,
    most: int = MOST_IN_WINDOW,
) -> Iterator[ExecutionWindow]:
    """The contiguous windows that cover [since, until] once, oldest first.

    Whatever a page brings that lies outside of its window is dropped, and what it brings twice is kept once: pages
    overlap when executions of one millisecond lie across a page border or when new ones arrive while paging. The
    exchange may lag by seconds: a caller that needs proof looks again later.

    A window spans at most 7 days and holds at most `most` executions, unless they are of one millisecond: pages come
    newest first and fills are wanted oldest first, so a window is what has to be held in memory. One that turns out to
    hold more is read again in parts. When there are many windows, so many `readers` of the same account read them
    ahead meanwhile, each in a thread with a connection of its own. Raises ExchangeError as the client does.
    """
    start, last = next(windows(since, until))[0], _whole_ms(until)
    cuts = _Cuts(last, most)
    ahead: deque[tuple[datetime, datetime, Future[ExecutionWindow | _Crowded]]] = deque()
    with ExitStack() as stack:
        pool: _Pool | None = None
        following = start
        while start <= last:
            # The first window shows how dense the past is; reading ahead before that would be guessing.
            while following <= last and len(ahead) < (readers if pool else 1):
                end = cuts.end_of(following)
                reading = partial(_read_window, start=following, end=end, category=category, most=most)
                ahead.append((following, end, pool.submit(reading) if pool else _done(reading(client))))
                following = end + MILLISECOND
            start, end, future = ahead.popleft()
            found = future.result()
            if isinstance(found, _Crowded):
                # What was read ahead was cut in the same wrong way.
                ahead.clear()
                cuts.crowded(found)
                following = start
                if pool is None and readers:
                    pool = stack.enter_context(_Pool([client.twin() for _ in range(readers)]))
            else:
                yield found
                start = end + MILLISECOND
                cuts.held(start, len(found.fills))


@dataclass(frozen=True, slots=True)
class _Crowded:
    """A window held more executions than wanted: so many from `dense_from` on that one of the span `fitting` should
    hold about half of what is wanted."""

    dense_from: datetime
    fitting: timedelta


class _Cuts:
    """Where windows end. Executions come in bursts: before a dense part that is known, an empty past is crossed in
    halves, and within it and after it the span follows what windows turn out to hold."""

    def __init__(self, last: datetime, most: int) -> None:
        self._last, self._most = last, most
        self._span = MAX_WINDOW
        self._dense_from: datetime | None = None

    def end_of(self, start: datetime) -> datetime:
        span, last = self._span, self._last
        if self._dense_from is not None and start < self._dense_from:
            before = self._dense_from - start
            last = self._dense_from - MILLISECOND
            if before > _NEAR * max(span, MILLISECOND):
                span = before / 2 // MILLISECOND * MILLISECOND
        return min(start + min(span, MAX_WINDOW), last)

    def crowded(self, crowd: _Crowded) -> None:
        self._span, self._dense_from = crowd.fitting, crowd.dense_from

    def held(self, reached: datetime, count: int) -> None:
        """A window that ended before `reached` held so many executions."""
        if self._dense_from is not None and reached > self._dense_from and count < self._most // 4:
            self._span = min(2 * max(self._span, MILLISECOND), MAX_WINDOW)


def _read_window(
    client: ExchangeClient, *, start: datetime, end: datetime, category: str, most: int
) -> ExecutionWindow | _Crowded:
    fills: dict[tuple[str, str, datetime], Fill] = {}
    unreadable = []
    oldest, newest = end, start
    for page in client.execution_pages(start, end, category=category):
        if len(fills) >= most and oldest < newest:
            # Newest first: so many lie between the oldest seen and the end. Those of one millisecond cannot be parted.
            return _Crowded(oldest, min((newest - oldest) / 2 // MILLISECOND * MILLISECOND, oldest - start))
        for item in page:
            try:
                fill = parse_fill(item, client.account, category)
            except UnknownMessage as error:
                unreadable.append(error)
                continue
            if start <= fill.exec_time <= end:
                fills[(fill.symbol, fill.exec_id, fill.exec_time)] = fill
                oldest, newest = min(oldest, fill.exec_time), max(newest, fill.exec_time)
    ordered = sorted(fills.values(), key=lambda fill: fill.execution_order)
    return ExecutionWindow(start, end, tuple(ordered), tuple(unreadable))


class _Pool:
    """Threads that read, each with a client that nobody else uses meanwhile."""

    def __init__(self, clients: Sequence[ExchangeClient]) -> None:
        self._clients = clients
        self._free: SimpleQueue[ExchangeClient] = SimpleQueue()
        for client in clients:
            self._free.put(client)
        self._threads = ThreadPoolExecutor(len(clients), thread_name_prefix="read-executions")

    def submit(
        self, reading: Callable[[ExchangeClient], ExecutionWindow | _Crowded]
    ) -> Future[ExecutionWindow | _Crowded]:
        return self._threads.submit(self._read, reading)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _read(self, reading: Callable[[ExchangeClient], ExecutionWindow | _Crowded]) -> ExecutionWindow | _Crowded:
        client = self._free.get()
        try:
            return reading(client)
        finally:
            self._free.put(client)


def _done(found: ExecutionWindow | _Crowded) -> Future[ExecutionWindow | _Crowded]:
    future: Future[ExecutionWindow | _Crowded] = Future()
    future.set_result(found)
    return future


def _whole_ms(time: datetime) -> datetime:
    return from_ms(to_ms(time))
