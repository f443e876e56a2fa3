"""Rows through PostgreSQL's COPY in its text format (https://www.postgresql.org/docs/16/sql-copy.html)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, cast

import orjson

from alpha.ledger.connection import Cursor

NULL = r"\N"
# So few that PostgreSQL soon has some, so many that the thread does not give way to another for each handful: another
# that is busy gives back the interpreter only after half a millisecond, in which about as many lines are made.
_LINES_AT_ONCE = 256


class _Lines:
    """Lines as a file that COPY reads: PostgreSQL inserts the first of them while the next are made."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.error: BaseException | None = None

    def read(self, _: int) -> bytes:
        try:
            return "".join(islice(self._lines, _LINES_AT_ONCE)).encode()
        except BaseException as error:
            # The driver would make a refusal of PostgreSQL's of it, of Ctrl-C as well.
            self.error = error
            raise


def copy_lines(cursor: Cursor, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Inserts rows that are lines of COPY already, each with its end. Raises what making them raises."""
    made = _Lines(lines)
    try:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", cast(Any, made))
    except Exception:
        if made.error is not None:
            raise made.error from None
        raise


def escaped(text: str) -> str:
    """The text with what COPY would take for its own told apart."""
    if "\\" not in text and "\t" not in text and "\n" not in text and "\r" not in text:
        return text
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def told_apart(texts: Sequence[str]) -> str:
    """Texts that come from outside as columns next to each other: they are looked through together."""
    columns = "\t".join(texts)
    if "\\" in columns or "\n" in columns or "\r" in columns or columns.count("\t") != len(texts) - 1:
        columns = "\t".join(map(escaped, texts))
    return columns


def time_texts(times: Sequence[datetime]) -> list[str]:
    """Aware times as PostgreSQL writes them itself: with a T between day and hour it takes longer to read them. orjson
    makes them many times as fast as `datetime.isoformat` does."""
    return orjson.dumps(times).decode()[2:-2].replace("T", " ").split('","') if times else []
