"""Time windows and cursors of the list endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote

from paper_exchange.engine import Refused
from paper_exchange.server.params import BAD_PARAMETER, LATEST_MS, Params

WEEK = timedelta(days=7)

T = TypeVar("T")


class Place(NamedTuple):
    """Where an item stands in a list: its time in milliseconds, and a number that tells items of one time apart."""

    time_ms: int
    tie: int


def tie_of(item_id: str) -> int:
    """A number of a uuid-shaped id: fixed, and in no relation to the order in which things happened."""
    return int(item_id.replace("-", "")[-14:], 16)


def window(
    params: Params, now: datetime, *, default: timedelta = WEEK, longest: timedelta = WEEK
) -> tuple[datetime, datetime]:
    """[start, end], both inclusive, as Bybit fills in what is missing.

    Neither given: the last `default`. One given: `default` from or up to it. Both: at most `longest` apart.
    Raises Refused (10001).
    """
    start, end = params.time("startTime"), params.time("endTime")
    if start is None and end is None:
        return now - default, now
    if start is None:
        assert end is not None
        return end - default, end
    if end is None:
        return start, start + default
    if end < start:
        raise Refused(BAD_PARAMETER, "The startTime should be earlier than the endTime")
    if end - start > longest:
        raise Refused(BAD_PARAMETER, f"The time range between startTime and endTime cannot exceed {longest.days} days")
    return start, end


def page(items: Iterable[T], place: Callable[[T], Place], params: Params, limit: int) -> tuple[list[T], str]:
    """The items of one page, newest first, and the cursor of the next ("" after the last).

    The cursor names the last item given and not a number of items, so that a list that grows at its head between two
    pages neither repeats nor loses any. Raises Refused (10001) for a cursor that is none.
    """
    after = cursor_place(params)
    ordered = sorted(((place(item), item) for item in items), key=lambda pair: pair[0], reverse=True)
    return first_page((pair for pair in ordered if after is None or pair[0] < after), limit)


def first_page(ordered: Iterable[tuple[Place, T]], limit: int) -> tuple[list[T], str]:
    """The first items of what is given newest first, and the cursor of what follows ("" when nothing does)."""
    shown = list(islice(ordered, limit + 1))
    has_more = len(shown) > limit
    del shown[limit:]
    return [item for _, item in shown], _cursor(shown[0][0], shown[-1][0]) if has_more else ""


def cursor_place(params: Params) -> Place | None:
    """Where the last page ended, None for the first page. Raises Refused (10001) for a cursor that is none."""
    cursor = params.optional("cursor")
    return None if cursor is None else _place_of(cursor)


def _cursor(first: Place, last: Place) -> str:
    # Clients put it into the next query string as it is, so it must be percent-encoded already.
    return quote(f"{first.time_ms}:{first.tie},{last.time_ms}:{last.tie}", safe="")


def _place_of(cursor: str) -> Place:
    try:
        _, last = unquote(cursor).split(",")
        time_ms, tie = last.split(":")
        place = Place(int(time_ms), int(tie))
        if not 0 <= place.time_ms <= LATEST_MS:
            raise ValueError(place)
        return place
    except ValueError as error:
        raise Refused(BAD_PARAMETER, "params error: cursor invalid") from error
