"""Pages of a list that is newest first, with cursors that survive what is added while paging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from paper_exchange.engine import Refused
from paper_exchange.server.params import Params

T = TypeVar("T")
Key = tuple[int, str]


def page(rows: Sequence[T], key: Callable[[T], Key], params: Params, *, default: int, most: int) -> tuple[list[T], str]:
    """One page of `rows`, sorted by `key` descending, and the cursor of the next, empty after the last.

    A cursor names the last row of its page, not a number of rows: rows that come in front do not move it. It is made of
    `A-Za-z0-9-_.~` only, because clients put it into the URL as it is.
    """
    limit = params.integer("limit", default, least=1, most=most)
    after = _parse(params.text("cursor"))
    ordered = sorted(rows, key=key, reverse=True)
    if after is not None:
        ordered = [row for row in ordered if key(row) < after]
    shown = ordered[:limit]
    more = len(ordered) > limit
    return shown, _format(key(shown[-1])) if more else ""


def _format(key: Key) -> str:
    return f"{key[0]}~{key[1]}"


def _parse(cursor: str) -> Key | None:
    if not cursor:
        return None
    number, mark, name = cursor.partition("~")
    if not mark or not number.isdigit():
        raise Refused(10001, "params error: cursor invalid")
    return int(number), name
