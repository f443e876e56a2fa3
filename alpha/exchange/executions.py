"""The one reader of execution pages: recovery, verification and repair all read a past through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
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


def walk_executions(
    client: ExchangeClient,
    since: datetime,
    until: datetime,
    *,
    category: str = LINEAR,
    on_unreadable: Callable[[UnknownMessage], None] | None = None,
) -> Iterator[list[Fill]]:
    """Every execution with since <= exec_time <= until (market clock), as a list per window, oldest window first.

    Each list is one window read to its last page, without doubles, in execution order. Whatever a page brings that lies
    outside of its window is dropped, and what it brings twice is kept once: pages overlap when executions of one
    millisecond lie across a page border or when new ones arrive while paging. The exchange may lag by seconds: a
    caller that needs proof looks again later.

    A row that cannot be read goes to `on_unreadable`, raw, and the walk continues: the caller keeps it and does not
    call the window proven. Without `on_unreadable` it raises UnknownMessage, because a window with a hole in it is not
    a window. Raises ExchangeError as the client does.
    """
    for start, end in windows(since, until):
        fills = {}
        for page in client.execution_pages(start, end, category=category):
            for item in page:
                try:
                    fill = parse_fill(item, client.account, category)
                except UnknownMessage as error:
                    if on_unreadable is None:
                        raise
                    on_unreadable(error)
                    continue
                if start <= fill.exec_time <= end:
                    fills[(fill.symbol, fill.exec_id, fill.exec_time)] = fill
        yield sorted(fills.values(), key=lambda fill: fill.execution_order)


def _whole_ms(time: datetime) -> datetime:
    return from_ms(to_ms(time))
