"""Rows as the literal of an array of a composite type: one parameter, however many rows there are.

https://www.postgresql.org/docs/16/rowtypes.html#ROWTYPES-IO-SYNTAX
https://www.postgresql.org/docs/16/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from alpha.ledger.connection import LedgerRefused

# Anything else has a meaning in one of the two syntaxes, or might have.
_is_plain: Final = re.compile(r"[A-Za-z0-9_.:+-]+").fullmatch


def row_array(rows: Iterable[Sequence[object] | None]) -> str:
    """The values of each row, in the order of the type's attributes: texts (and members of enums that are), numbers,
    aware times, booleans, None. A row that is None is NULL. Raises LedgerRefused for text that PostgreSQL does not
    keep."""
    literal = "{" + ",".join(["NULL" if row is None else _element(row) for row in rows]) + "}"
    if "\0" in literal:
        raise LedgerRefused("PostgreSQL keeps no NUL character in a text")
    try:
        literal.encode()
    except UnicodeEncodeError as error:
        raise LedgerRefused(f"a text is not one that PostgreSQL keeps: {error}") from error
    return literal


def _element(row: Sequence[object]) -> str:
    fields = ",".join(map(_field, row))
    return f'"({_within_quotes(fields)})"' if '"' in fields else f'"({fields})"'


def _field(value: object) -> str:
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text if _is_plain(text) else f'"{_within_quotes(text)}"'


def _within_quotes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
