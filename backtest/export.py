"""Fills and trades as files, in the ledger's own columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

Row = Mapping[str, object]


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Decimals in full, times as ISO 8601 in UTC, nothing for what is not set."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_text(row[name]) for name in columns] for row in rows)


def write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Numbers of the ledger's NUMERIC columns as text, because a column of one scale could not hold them all exactly;
    times as timestamps in UTC."""
    table = pyarrow.table({name: [_cell(row[name]) for row in rows] for name in columns})
    parquet.write_table(table, path, compression="zstd")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_cell(value))


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.value if isinstance(value, Enum) else value
