"""Rows into a file of one table, batch by batch."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, TextIO

import pyarrow
import pyarrow.parquet as parquet

from alpha.ledger.exporting import Column

Batches = Iterable[list[tuple[Any, ...]]]


@unique
class TableFormat(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"

    @classmethod
    def of(cls, path: Path) -> TableFormat | None:
        """By the end of the file's name; None where that says nothing."""
        return next((each for each in cls if path.name.endswith(f".{each}")), None)


def write_csv(out: TextIO, columns: Sequence[Column], batches: Batches) -> int:
    """Decimals in full, times as ISO 8601 in UTC, nothing for what is not set. Answers how many rows there were."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    written = 0
    for batch in batches:
        writer.writerows([_text(value) for value in row] for row in batch)
        written += len(batch)
    return written


def write_parquet(path: Path, columns: Sequence[Column], batches: Batches) -> int:
    """Money as text, because a column of one scale could not hold every number of the ledger exactly; times as
    timestamps in UTC. Answers how many rows there were."""
    schema = pyarrow.schema([(column.name, _type(column)) for column in columns])
    written = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            by_column = zip(*batch, strict=True)
            arrays = [
                pyarrow.array([_cell(column, value) for value in values], type=field.type)
                for column, values, field in zip(columns, by_column, schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            written += len(batch)
    return written


def write_table(path: Path, form: TableFormat, columns: Sequence[Column], batches: Batches) -> int:
    """The whole file or, where it could not be finished, none: what was there before stays. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        if form is TableFormat.PARQUET:
            written = write_parquet(unfinished, columns, batches)
        else:
            with unfinished.open("w", encoding="utf-8", newline="") as out:
                written = write_csv(out, columns, batches)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _cell(column: Column, value: object) -> object:
    return format(value, "f") if column.is_money and isinstance(value, Decimal) else value


def _type(column: Column) -> pyarrow.DataType:
    kinds: list[tuple[bool, Callable[[], pyarrow.DataType]]] = [
        (column.is_time, lambda: pyarrow.timestamp("us", tz="UTC")),
        (column.is_whole, pyarrow.int64),
        (column.name.startswith("is_"), pyarrow.bool_),
    ]
    return next((make() for fits, make in kinds if fits), pyarrow.string())
