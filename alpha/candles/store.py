"""Recorded candles in a folder of Parquet files.

Named `<source>-<SYMBOL>-<interval>.parquet` as somebody recorded them, or `<SYMBOL>/<interval>/<YYYY-MM>.parquet` as
`alpha candles` puts them. A folder may hold both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.candles.faults import bad_bars, bad_times
from alpha.candles.months import MonthFiles
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol

_PREFERRED = "bybit_linear_"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST_INTERVAL = len("9999m")
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleSeries:
    """Candles of one symbol, oldest first, as columns of floats as they were recorded.

    `starts_ms` are the opening times. Volume is in base units (not a number for mark prices). May have gaps: `segments`
    gives the gapless runs.
    """

    symbol: Symbol
    interval: timedelta
    starts_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts_ms)

    @property
    def first(self) -> datetime:
        """Opening time of the first candle."""
        return from_ms(int(self.starts_ms[0]))

    @property
    def end(self) -> datetime:
        """Closing time of the last candle."""
        return from_ms(int(self.starts_ms[-1])) + self.interval

    def segments(self) -> tuple[CandleSeries, ...]:
        """The runs without a missing candle, oldest first."""
        if not len(self):
            return ()
        breaks = np.flatnonzero(np.diff(self.starts_ms) != _milliseconds(self.interval)) + 1
        edges = [0, *breaks.tolist(), len(self)]
        return tuple(self[first:last] for first, last in pairwise(edges))

    def between(self, start: datetime, end: datetime) -> CandleSeries:
        """The candles that open in [start, end)."""
        first, last = np.searchsorted(self.starts_ms, [to_ms(start), to_ms(end)])
        return self[int(first) : int(last)]

    def __getitem__(self, rows: slice) -> CandleSeries:
        return CandleSeries(
            symbol=self.symbol,
            interval=self.interval,
            starts_ms=self.starts_ms[rows],
            **{name: getattr(self, name)[rows] for name in (*_PRICES, "volume")},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingSeries:
    """Realised funding rates of one symbol, oldest first; `times_ms` are the instants they were due."""

    symbol: Symbol
    times_ms: NDArray[np.int64]
    rates: NDArray[np.float64]


class CandleStore:
    """One folder of recordings. Files are read when asked for and not kept."""

    def __init__(self, folder: Path) -> None:
        """Raises CandlesUnavailable when the folder is not there or holds no recordings."""
        self.folder = folder
        if not folder.is_dir():
            raise CandlesUnavailable(f"the folder of candles {folder} does not exist; give another one")
        self._files = sorted(folder.glob("*-*-*.parquet"))
        self._months = MonthFiles(folder)
        if not self._files and not self._months.series():
            raise CandlesUnavailable(
                f"{folder} holds no files named <source>-<SYMBOL>-<interval>.parquet or "
                "<SYMBOL>/<interval>/<YYYY-MM>.parquet"
            )

    def symbols(self, interval: str) -> tuple[Symbol, ...]:
        """Symbols with trade-price candles of this interval (`5m`, `1h`, `4h`, `1d`)."""
        return tuple(symbol for symbol, text in self.trade_series() if text == interval)

    def trade_series(self) -> list[tuple[Symbol, str]]:
        """Every symbol and interval that there are trade-price candles of."""
        flat = {(symbol, text) for source, symbol, text in map(_name_of, self._files) if _is_trade(source, text, text)}
        monthly = {(symbol, text) for symbol, text in self._months.series() if text[:-1].isdigit()}
        return sorted(flat | monthly)

    def files_of(self, symbol: Symbol, interval: str) -> list[Path]:
        """The files with trade-price candles of one symbol and interval."""
        return [*self._matching(symbol, interval), *self._months.paths(symbol, interval)]

    def series(self, symbol: Symbol, interval: str) -> CandleSeries:
        """Trade-price candles of one symbol.

        Recordings of Bybit's linear perpetuals and downloads go before all others and are joined; without one, the
        recording that covers the period longest is used alone, because two venues are two markets.
        Raises CandlesUnavailable, also for a candle that cannot be, or CandleConflict when two recordings disagree on a
        candle both hold.
        """
        files = self._matching(symbol, interval)
        months = self._months.paths(symbol, interval)
        if not files and not months:
            raise CandlesUnavailable(f"{self.folder} holds no {interval} candles of {symbol}{self._others(symbol)}")
        ours = [*(path for path in files if path.name.startswith(_PREFERRED)), *months]
        read = [(path, _read_candles(path, symbol, interval, traded=True)) for path in ours or files]
        read.sort(key=lambda pair: len(pair[1]), reverse=True)
        joined = read[0][1]
        for place, (path, other) in enumerate(read[1:] if ours else (), 1):
            try:
                joined = _join(joined, other)
            except _Disagreed as wrong:
                against = next(path for path, known in read[:place] if wrong.at_ms in known.starts_ms)
                raise CandleConflict(f"{path} and {against} disagree on {wrong}; remove the wrong one") from None
        return joined

    def marks(self, symbol: Symbol, interval: str) -> CandleSeries | None:
        """Mark-price candles, or None where none were recorded."""
        months = self._months.paths(symbol, f"mark-{interval}")
        if months:
            return _after_one_another([_read_candles(path, symbol, interval) for path in months])
        return self._first_of("bybit_mark_", symbol, interval)

    def funding(self, symbol: Symbol, interval: str = "8h") -> FundingSeries | None:
        """Realised funding rates, or None where none were recorded."""
        months = [read_columns(path, ("ts_ms", "funding_rate")) for path in self._months.paths(symbol, "funding")]
        if months:
            return FundingSeries(
                symbol=symbol,
                times_ms=np.concatenate([month["ts_ms"] for month in months]),
                rates=np.concatenate([month["funding_rate"] for month in months]),
            )
        for path in self._files:
            if path.name.startswith("bybit_funding_") and _name_of(path)[1:] == (symbol, interval):
                table = read_columns(path, ("ts_ms", "funding_rate"))
                return FundingSeries(symbol=symbol, times_ms=table["ts_ms"], rates=table["funding_rate"])
        return None

    def _others(self, symbol: Symbol) -> str:
        """What of the symbol there is instead."""
        intervals = [text for known, text in self.trade_series() if known == symbol]
        return f"; of this symbol it has {', '.join(intervals)}" if intervals else ", nor of another interval"

    def _matching(self, symbol: Symbol, interval: str) -> list[Path]:
        return [
            path
            for path in self._files
            if _name_of(path)[1] == symbol and _is_trade(_name_of(path)[0], _name_of(path)[2], interval)
        ]

    def _first_of(self, prefix: str, symbol: Symbol, interval: str) -> CandleSeries | None:
        for path in self._files:
            if path.name.startswith(prefix) and _name_of(path)[1:] == (symbol, interval):
                return _read_candles(path, symbol, interval)
        return None


def common_period(series: Iterable[CandleSeries]) -> tuple[datetime, datetime] | None:
    """The longest period in which every series has every candle, as [start, end); None when there is none."""
    periods: list[tuple[datetime, datetime]] | None = None
    for one in series:
        spans = [(segment.first, segment.end) for segment in one.segments()]
        if periods is None:
            periods = spans
            continue
        overlaps = [(max(a, c), min(b, d)) for a, b in periods for c, d in spans]
        periods = [(start, end) for start, end in overlaps if start < end]
    return max(periods, key=lambda period: period[1] - period[0], default=None) if periods else None


def interval_of(text: str) -> timedelta:
    """`5m` to five minutes. Raises CandlesUnavailable for what is no interval."""
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdecimal() or len(text) > _LONGEST_INTERVAL or int(text[:-1]) == 0:
        raise CandlesUnavailable(f"{text!r} is not an interval like 5m, 1h or 1d")
    return int(text[:-1]) * unit


def interval_text(interval: timedelta) -> str:
    """Five minutes to `5m`, sixty to `1h`: the name a recording of this interval carries."""
    for unit, length in reversed(_UNITS.items()):
        if interval % length == timedelta(0):
            return f"{interval // length}{unit}"
    raise CandlesUnavailable(f"candles of {interval} are not recorded: intervals are whole minutes")


def _name_of(path: Path) -> tuple[str, Symbol, str]:
    source, symbol, interval = path.stem.rsplit("-", 2)
    return source, Symbol(symbol), interval


def _is_trade(source: str, text: str, interval: str) -> bool:
    return text == interval and not source.startswith(("bybit_mark_", "bybit_funding_"))


def _read_candles(path: Path, symbol: Symbol, interval: str, *, traded: bool = False) -> CandleSeries:
    """`traded` candles must have a volume; those of mark prices have none."""
    table = read_columns(path, ("ts_ms", *_PRICES, "volume"))
    if not len(table["ts_ms"]):
        raise CandlesUnavailable(f"{path} holds no candle; remove it")
    wrong = next(bad_times(table["ts_ms"]), None) or next(bad_bars(table), None)
    if wrong is not None:
        raise CandlesUnavailable(f"{path} cannot be used: {wrong} UTC")
    if traded and np.isnan(table["volume"]).any():
        raise CandlesUnavailable(f"{path} cannot be used: it has candles without a volume; 0 is one")
    starts = table.pop("ts_ms")
    if np.any(np.diff(starts) <= 0):
        raise CandleConflict(f"{path.name} is not in order of time, or holds a candle twice")
    return CandleSeries(symbol=symbol, interval=interval_of(interval), starts_ms=starts, **table)


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Columns of a Parquet file by name. Raises CandlesUnavailable."""
    # ParquetFile and not read_table: that loads pyarrow's dataset machinery, a second of every start.
    try:
        with parquet.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise CandlesUnavailable(f"{path} has no column {', '.join(missing)}")
            table = file.read(columns=list(columns), use_threads=False)
    except (OSError, ValueError) as error:
        raise CandlesUnavailable(f"{path} cannot be read as Parquet: {error}") from error
    return {name: _column(table.column(name), path, name) for name in columns}


def _column(column: pyarrow.ChunkedArray, path: Path, name: str) -> NDArray[Any]:
    kinds = pyarrow.types
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_null(column.type)):
        raise CandlesUnavailable(
            f"{path}: its {name} is {column.type} and not a number; take it in with `alpha candles`"
        )
    if column.null_count == len(column):
        return np.full(len(column), np.nan)
    if column.null_count:
        raise CandlesUnavailable(f"{path} has empty cells; a recording must be complete")
    # Through DLPack and not to_numpy(), which imports pandas, half a second of every start.
    return np.from_dlpack(column.combine_chunks())


def _after_one_another(months: Sequence[CandleSeries]) -> CandleSeries:
    first = months[0]
    return CandleSeries(
        symbol=first.symbol,
        interval=first.interval,
        starts_ms=np.concatenate([month.starts_ms for month in months]),
        **{name: np.concatenate([getattr(month, name) for month in months]) for name in (*_PRICES, "volume")},
    )


class _Disagreed(Exception):
    """Two recordings say something else of a candle: `at_ms` is the first of them."""

    def __init__(self, column: str, candles: int, at_ms: int) -> None:
        super().__init__(f"the {column} of {candles} candles, first at {from_ms(at_ms):%Y-%m-%d %H:%M} UTC")
        self.at_ms = at_ms


def _join(ours: CandleSeries, other: CandleSeries) -> CandleSeries:
    """Raises _Disagreed."""
    _, in_ours, in_other = np.intersect1d(ours.starts_ms, other.starts_ms, assume_unique=True, return_indices=True)
    for name in (*_PRICES, "volume"):
        differs = np.flatnonzero(getattr(ours, name)[in_ours] != getattr(other, name)[in_other])
        if len(differs):
            raise _Disagreed(name, len(differs), int(ours.starts_ms[in_ours[differs[0]]]))
    new = np.setdiff1d(np.arange(len(other)), in_other)
    starts = np.concatenate([ours.starts_ms, other.starts_ms[new]])
    order = np.argsort(starts)
    columns = {
        name: np.concatenate([getattr(ours, name), getattr(other, name)[new]])[order] for name in (*_PRICES, "volume")
    }
    return CandleSeries(symbol=ours.symbol, interval=ours.interval, starts_ms=starts[order], **columns)


def _milliseconds(interval: timedelta) -> int:
    return interval // timedelta(milliseconds=1)
