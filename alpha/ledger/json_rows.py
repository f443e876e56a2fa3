from __future__ import annotations

from collections.abc import Iterable

import orjson

from alpha.ledger.connection import LedgerRefused


def json_rows(rows: Iterable[object]) -> str:
    """Rows for json_populate_recordset: one parameter, however many there are. Decimals become strings, from which
    PostgreSQL reads the same digits. Raises LedgerRefused for text that it does not keep."""
    try:
        text = orjson.dumps(list(rows), default=str).decode()
    except orjson.JSONEncodeError as error:
        raise LedgerRefused(f"a text is not one that PostgreSQL keeps: {error}") from error
    if "\\u0000" in text:
        raise LedgerRefused("PostgreSQL keeps no NUL character in a text")
    return text
