"""Rows as the literal of an array of a composite type: one parameter, however many rows there are.

https://www.postgresql.org/docs/16/rowtypes.html#ROWTYPES-IO-SYNTAX
https://www.postgresql.org/docs/16/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import orjson

from alpha.ledger.connection import LedgerRefused

# As it looks within the quotes around its row.
_EMPTY_TEXT: Final = r"\"\""


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
    texts: list[str] = []
    empty: list[int] = []
    for value in row:
        if value is None:
            texts.append("")
            continue
        # orjson makes the text of a time several times as fast as `isoformat` does; PostgreSQL reads either.
        text = orjson.dumps(value).decode()[1:-1] if type(value) is datetime else str(value)
        if not text:
            empty.append(len(texts))
        texts.append(text)
    fields = ",".join(texts)
    if _has_meaning(fields) or fields.count(",") != len(texts) - 1:
        return _quoted_element(row, texts)
    # Nearly always, and seen of all fields at once: only what is empty and not NULL has to be told from it.
    if empty:
        for place in empty:
            texts[place] = _EMPTY_TEXT
        fields = ",".join(texts)
    return f'"({fields})"'


def _quoted_element(row: Sequence[object], texts: Sequence[str]) -> str:
    fields = ["" if value is None else _field(text) for value, text in zip(row, texts, strict=True)]
    return f'"({_within_quotes(",".join(fields))})"'


def _field(text: str) -> str:
    return text if text and "," not in text and not _has_meaning(text) else f'"{_within_quotes(text)}"'


def _has_meaning(text: str) -> bool:
    """Whether something in it, other than a comma, has a meaning of its own where a row is read."""
    return '"' in text or "\\" in text or ")" in text or "(" in text


def _within_quotes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
