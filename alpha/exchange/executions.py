"""The one reader of execution pages: recovery, verification and repair all read a past through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alpha.domain.fill import Fill
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import LINEAR, parse_fill
from alpha.exchange.walking import MAX_WINDOW, MILLISECOND, MOST_IN_WINDOW, Listing, Readers, walk, windows

if TYPE_CHECKING:
    from alpha.exchange.rest import ExchangeClient

__all__ = [
    "MAX_WINDOW",
    "MILLISECOND",
    "MOST_IN_WINDOW",
    "ExecutionWindow",
    "Readers",
    "walk_executions",
    "walk_windows",
    "windows",
]


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
    readers: Readers | None = None,
    most: int = MOST_IN_WINDOW,
) -> Iterator[ExecutionWindow]:
    """The contiguous windows that cover [since, until] once, oldest first; see `alpha.exchange.walking.walk`."""
    for window in walk(_listing(category), client, since, until, readers=readers, most=most):
        ordered = sorted(window.rows, key=lambda fill: fill.execution_order)
        yield ExecutionWindow(window.start, window.end, tuple(ordered), window.unreadable)


def _listing(category: str) -> Listing[Fill]:
    return Listing(
        pages=lambda client, start, end: client.execution_pages(start, end, category=category),
        read=lambda item, account: parse_fill(item, account, category),
        at=lambda fill: fill.exec_time,
        key=lambda fill: (fill.symbol, fill.exec_id, fill.exec_time),
    )
