"""Downloaded candles: one Parquet file per symbol, series and month, `<SYMBOL>/<series>/<YYYY-MM>.parquet`.

A series is an interval (`5m`), or `mark-1h` for mark prices, or `funding` for funding rates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol

Columns = Mapping[str, NDArray[Any]]
"""`ts_ms` and the values beside it, oldest first."""


class MonthFiles:
    """A folder of them. A file is replaced whole and at once, so that an interrupted download leaves none half."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self, symbol: Symbol, series: str) -> list[Path]:
        """Oldest month first."""
        return sorted((self.folder / symbol / series).glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].parquet"))

    def series(self) -> list[tuple[Symbol, str]]:
        """What there is, by symbol."""
        folders = {path.parent for path in self.folder.glob("*/*/*.parquet")}
        return sorted((Symbol(folder.parent.name), folder.name) for folder in folders)

    def starts(self, symbol: Symbol, series: str) -> NDArray[np.int64]:
        """The opening times (ms) that are stored."""
        found = [_read(path)["ts_ms"] for path in self.paths(symbol, series)]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def add(self, symbol: Symbol, series: str, columns: Columns, *, replace: bool = False) -> None:
        """Takes rows in. A row that is there already must say the same; with `replace` it becomes the newer one.

        Raises CandleConflict with the first difference, and then nothing was taken in.
        """
        months: dict[Path, Columns] = {}
        for month, rows in _by_month(columns["ts_ms"]):
            path = self.folder / symbol / series / f"{month}.parquet"
            fresh: Columns = {name: values[rows] for name, values in columns.items()}
            if path.exists():
                there = _read(path)
                if not replace:
                    _refuse_difference(path, there, fresh)
                fresh = _merged(there, fresh)
            months[path] = fresh
        for path, fresh in months.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}.tmp")
            parquet.write_table(pyarrow.table(dict(fresh)), beside, compression="zstd")
            beside.replace(path)


def _by_month(starts_ms: NDArray[np.int64]) -> Iterator[tuple[str, slice]]:
    first = 0
    while first < len(starts_ms):
        at = from_ms(int(starts_ms[first]))
        following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        last = int(np.searchsorted(starts_ms, int(following.timestamp()) * 1000))
        yield f"{at:%Y-%m}", slice(first, last)
        first = last


def _refuse_difference(path: Path, there: Columns, fresh: Columns) -> None:
    both, old, new = np.intersect1d(there["ts_ms"], fresh["ts_ms"], return_indices=True)
    found: list[tuple[int, str]] = []
    for name in fresh:
        before, now = there[name][old], fresh[name][new]
        # Mark prices have no volume, which is not a number and so unlike itself.
        differs = np.flatnonzero((before != now) & ~((before != before) & (now != now)))
        if len(differs):
            found.append((int(differs[0]), name))
    if found:
        row, name = min(found)
        raise CandleConflict(
            f"{path}: the {name} of {from_ms(int(both[row])):%Y-%m-%d %H:%M} UTC is {there[name][old[row]]} there and "
            f"{fresh[name][new[row]]} in what was to be added; --replace overwrites what is there"
        )


def _merged(there: Columns, fresh: Columns) -> Columns:
    kept = ~np.isin(there["ts_ms"], fresh["ts_ms"])
    starts = np.concatenate([there["ts_ms"][kept], fresh["ts_ms"]])
    order = np.argsort(starts, kind="stable")
    return {name: np.concatenate([there[name][kept], fresh[name]])[order] for name in fresh}


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(use_threads=False)
    except (OSError, ValueError) as error:
        raise CandlesUnavailable(f"{path} cannot be read as Parquet: {error}") from error
    return {name: np.from_dlpack(table.column(name).combine_chunks()) for name in table.column_names}
