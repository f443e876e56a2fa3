"""Candles that somebody recorded, from CSV or Parquet into month files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv as csv
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.candles.faults import bad_bars, bad_times, off_grid

_TIMES = ("ts_ms", "timestamp", "open_time", "start", "start_time", "time", "date", "datetime")
_VALUES = ("open", "high", "low", "close", "volume")
_SECONDS_BELOW = 100_000_000_000
"""A time this small is in seconds: as milliseconds it would be in 1973."""


def read_recording(path: Path, interval: timedelta) -> dict[str, NDArray[Any]]:
    """`ts_ms` and the five values, oldest first, of a file with a heading.

    The opening time is called one of ts_ms, timestamp, open_time, start, time, date; a number of milliseconds or
    seconds, or a time in UTC. Raises CandlesUnavailable for what cannot be read, is empty, or holds candles that cannot
    be or are not of this interval, CandleConflict for a candle that is there twice and says different things.
    """
    try:
        table = csv.read_csv(path) if path.suffix.lower() == ".csv" else parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise CandlesUnavailable(f"{path} cannot be read as CSV or Parquet: {str(error).splitlines()[0]}") from error
    names = {name.strip().lower(): name for name in table.column_names}
    time_name = next((names[name] for name in _TIMES if name in names), None)
    missing = [name for name in _VALUES if name not in names]
    if time_name is None or missing:
        lacking = ", ".join(missing) or f"the opening time (one of {', '.join(_TIMES)})"
        raise CandlesUnavailable(f"{path} has no column for {lacking}; its columns are {', '.join(table.column_names)}")
    columns: dict[str, NDArray[Any]] = {"ts_ms": _milliseconds(table.column(time_name), path)}
    for name in _VALUES:
        columns[name] = _floats(table.column(names[name]), path, name)
    ordered = _in_order(columns, path)
    wrong = next(_faults(ordered, interval), None)
    if wrong is not None:
        raise CandlesUnavailable(f"{path}: {wrong}")
    return ordered


def _faults(columns: dict[str, NDArray[Any]], interval: timedelta) -> Iterator[str]:
    starts = columns["ts_ms"]
    if not len(starts):
        yield "it holds no candle"
        return
    # First, because only good times can be told as dates.
    yield from bad_times(starts)
    yield from off_grid(starts, interval)
    if len(starts) > 1 and (apart := timedelta(milliseconds=int(np.diff(starts).min()))) > interval:
        yield f"its candles are at least {apart} apart, and are said to be {interval} long"
    yield from bad_bars(columns)


def _milliseconds(column: pyarrow.ChunkedArray, path: Path) -> NDArray[np.int64]:
    if column.null_count:
        raise CandlesUnavailable(f"{path}: its times have empty cells; a recording must be complete")
    try:
        if pyarrow.types.is_string(column.type):
            column = column.cast(pyarrow.timestamp("ms"))
        if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type):
            column = column.cast(pyarrow.timestamp("ms")).cast(pyarrow.int64())
        whole: NDArray[np.int64] = column.cast(pyarrow.int64()).to_numpy()
    except (pyarrow.ArrowException, ValueError) as error:
        raise CandlesUnavailable(f"{path}: its times cannot be read: {str(error).splitlines()[0]}") from error
    return whole * 1000 if len(whole) and int(whole.max()) < _SECONDS_BELOW else whole


def _floats(column: pyarrow.ChunkedArray, path: Path, name: str) -> NDArray[np.float64]:
    try:
        values: NDArray[np.float64] = column.cast(pyarrow.float64()).to_numpy()
    except (pyarrow.ArrowException, ValueError) as error:
        raise CandlesUnavailable(f"{path}: {name} holds something that is no number") from error
    if np.isnan(values).any():
        raise CandlesUnavailable(f"{path}: {name} has empty cells; a recording must be complete")
    return values


def _in_order(columns: dict[str, NDArray[Any]], path: Path) -> dict[str, NDArray[Any]]:
    order = np.argsort(columns["ts_ms"], kind="stable")
    ordered = {name: values[order] for name, values in columns.items()}
    again = np.flatnonzero(np.diff(ordered["ts_ms"]) == 0)
    for name in _VALUES:
        if (ordered[name][again] != ordered[name][again + 1]).any():
            raise CandleConflict(f"{path} holds a candle twice with different {name}; one of them is wrong")
    kept = np.ones(len(order), dtype=bool)
    kept[again + 1] = False
    return {name: values[kept] for name, values in ordered.items()}
