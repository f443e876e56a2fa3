"""Lists of an account's past, read window by window: executions, transaction log, closed P&L, orders.

Bybit gives each of them newest first, in pages, of a window of at most 7 days.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from alpha.domain.clock import from_ms, to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName
from alpha.exchange.errors import UnknownMessage

if TYPE_CHECKING:
    from alpha.exchange.parse import Item
    from alpha.exchange.rest import ExchangeClient

MAX_WINDOW = timedelta(days=7)
MILLISECOND = timedelta(milliseconds=1)
MOST_IN_WINDOW = 2_000
"""Rows held in memory at once by a reader."""
# So many spans before a dense part windows begin to be as short as they have to be within it.
_NEAR = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """One of the exchange's lists: how its pages are asked for, read, and what places a row.

    `pages` gives the raw pages of [start, end], newest first, to the last. `at` is the time by which the exchange
    filters, `key` what makes a row the same row when it comes twice.
    """

    pages: Callable[[ExchangeClient, datetime, datetime], Iterator[Sequence[Item]]]
    read: Callable[[Item, AccountName], T]
    at: Callable[[T], datetime]
    key: Callable[[T], Hashable]


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """What the exchange told of [start, end], both ends included, read to the last page: without doubles, oldest first;
    rows of one time in the reverse of the order in which they were listed. `unreadable` are the rows that could not be
    read: with any of them the window has a hole."""

    start: datetime
    end: datetime
    rows: tuple[T, ...]
    unreadable: tuple[UnknownMessage, ...] = ()


def windows(since: datetime, until: datetime, span: timedelta = MAX_WINDOW) -> Iterator[tuple[datetime, datetime]]:
    """Contiguous windows [start, end], both ends included, which together cover [since, until] once, oldest first.

    Bounds are whole milliseconds, as the wire has no finer ones: `since` is rounded down, `until` too. A window spans
    at most 7 days (a longer one is refused), and the next begins one millisecond after it, so nothing lies between two
    and nothing is in both. Raises InvalidValue when `until` is before `since`.
    """
    if until < since:
        raise InvalidValue(f"a window until {until.isoformat()} cannot begin at {since.isoformat()}")
    start, last = whole_ms(since), whole_ms(until)
    while start <= last:
        end = min(start + span, last)
        yield start, end
        start = end + MILLISECOND


class Readers:
    """Threads that read a past ahead of whoever walks it: so many `of_one` walk at most, and `all_together` of all that
    go on at the same time. Each holds a window of rows, and where many walk they read beside each other anyway."""

    def __init__(self, of_one: int = 4, all_together: int = 8) -> None:
        self._of_one, self._free = of_one, all_together
        self._lock = threading.Lock()

    @contextmanager
    def some(self) -> Iterator[int]:
        """How many may be used within: those that are free, up to so many as one walk gets; 0 is none."""
        with self._lock:
            got = min(self._of_one, self._free)
            self._free -= got
        try:
            yield got
        finally:
            with self._lock:
                self._free += got


def walk(
    listing: Listing[T],
    client: ExchangeClient,
    since: datetime,
    until: datetime,
    *,
    readers: Readers | None = None,
    most: int = MOST_IN_WINDOW,
) -> Iterator[Window[T]]:
    """The contiguous windows that cover [since, until] once, oldest first.

    Whatever a page brings that lies outside of its window is dropped, and what it brings twice is kept once, in the
    form that was told first, which is the newest: pages overlap when rows of one millisecond lie across a page border
    or when new ones arrive while paging. The exchange may lag by seconds: a caller that needs proof looks again later.

    A window spans at most 7 days and holds at most `most` rows, unless they are of one millisecond: pages come newest
    first and rows are wanted oldest first, so a window is what has to be held in memory. One that turns out to hold
    more is read again in parts. When there are many windows, some of the `readers` read them ahead meanwhile, each in a
    thread with a connection of its own. Raises ExchangeError as the client does.
    """
    start, last = next(windows(since, until))[0], whole_ms(until)
    cuts = _Cuts(last, most)
    ahead: deque[tuple[datetime, datetime, Future[Window[T] | _Crowded]]] = deque()
    with ExitStack() as stack:
        pool: _Pool | None = None
        at_once = 1
        following = start
        while start <= last:
            # The first window shows how dense the past is; reading ahead before that would be guessing.
            while following <= last and len(ahead) < at_once:
                end = cuts.end_of(following)
                reading = partial(_read_window, listing, start=following, end=end, most=most)
                ahead.append((following, end, pool.submit(reading) if pool else _done(reading(client))))
                following = end + MILLISECOND
            start, end, future = ahead.popleft()
            found = future.result()
            if isinstance(found, _Crowded):
                # What was read ahead was cut in the same wrong way.
                ahead.clear()
                cuts.crowded(found)
                following = start
                if pool is None and readers is not None and (got := stack.enter_context(readers.some())):
                    pool, at_once = stack.enter_context(_Pool([client.twin() for _ in range(got)])), got
            else:
                yield found
                start = end + MILLISECOND
                cuts.held(start, len(found.rows))


@dataclass(frozen=True, slots=True)
class _Crowded:
    """A window held more rows than wanted: so many from `dense_from` on that one of the span `fitting` should hold
    about half of what is wanted."""

    dense_from: datetime
    fitting: timedelta


class _Cuts:
    """Where windows end. Rows come in bursts: before a dense part that is known, an empty past is crossed in halves,
    and within it and after it the span follows what windows turn out to hold."""

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
        """A window that ended before `reached` held so many rows."""
        if self._dense_from is not None and reached > self._dense_from and count < self._most // 4:
            self._span = min(2 * max(self._span, MILLISECOND), MAX_WINDOW)


def _read_window(
    listing: Listing[T], client: ExchangeClient, *, start: datetime, end: datetime, most: int
) -> Window[T] | _Crowded:
    rows: dict[Hashable, T] = {}
    unreadable = []
    oldest, newest = end, start
    for page in listing.pages(client, start, end):
        if len(rows) >= most and oldest < newest:
            # Newest first: so many lie between the oldest seen and the end. Those of one millisecond cannot be parted.
            return _Crowded(oldest, min((newest - oldest) / 2 // MILLISECOND * MILLISECOND, oldest - start))
        for item in page:
            try:
                row = listing.read(item, client.account)
            except UnknownMessage as error:
                unreadable.append(error)
                continue
            at = listing.at(row)
            if start <= at <= end:
                rows.setdefault(listing.key(row), row)
                oldest, newest = min(oldest, at), max(newest, at)
    # Sorting keeps the order of equals, so what was listed last of one time comes first.
    oldest_first = list(rows.values())[::-1]
    return Window(start, end, tuple(sorted(oldest_first, key=listing.at)), tuple(unreadable))


class _Pool:
    """Threads that read, each with a client that nobody else uses meanwhile."""

    def __init__(self, clients: Sequence[ExchangeClient]) -> None:
        self._clients = clients
        self._free: SimpleQueue[ExchangeClient] = SimpleQueue()
        for client in clients:
            self._free.put(client)
        self._threads = ThreadPoolExecutor(len(clients), thread_name_prefix="read-past")

    def submit(self, reading: Callable[[ExchangeClient], Window[T] | _Crowded]) -> Future[Window[T] | _Crowded]:
        return self._threads.submit(self._read, reading)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()

    def _read(self, reading: Callable[[ExchangeClient], Window[T] | _Crowded]) -> Window[T] | _Crowded:
        client = self._free.get()
        try:
            return reading(client)
        finally:
            self._free.put(client)


def _done(found: Window[T] | _Crowded) -> Future[Window[T] | _Crowded]:
    future: Future[Window[T] | _Crowded] = Future()
    future.set_result(found)
    return future


def whole_ms(time: datetime) -> datetime:
    """The time, rounded down to a whole millisecond."""
    return from_ms(to_ms(time))
