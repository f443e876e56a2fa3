"""Candles from an exchange into month files, going on where an earlier download ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from alpha.candles.months import MonthFiles
from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol

FUNDING = "funding"
_CHUNK = 1000
"""Bars asked for and stored at once: a page of the exchange, and what is lost when the download is interrupted."""


Fetch = Callable[[datetime, datetime], Sequence[Bar]]
"""The closed bars that start in [start, end), oldest first."""
FetchRates = Callable[[datetime, datetime], Sequence[tuple[datetime, Decimal]]]
"""The funding rates that were due in [start, end), oldest first."""


def missing_periods(
    starts_ms: NDArray[np.int64], interval: timedelta, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The parts of [start, end) in which no candle opens that is stored, oldest first."""
    step = interval // timedelta(milliseconds=1)
    wanted = np.arange(-(-to_ms(start) // step) * step, to_ms(end), step, dtype=np.int64)
    absent = wanted[~np.isin(wanted, starts_ms)]
    if not len(absent):
        return []
    breaks = np.flatnonzero(np.diff(absent) != step) + 1
    runs = np.split(absent, breaks)
    return [(from_ms(int(run[0])), from_ms(int(run[-1]) + step)) for run in runs]


def download(
    fetch: Fetch,
    files: MonthFiles,
    symbol: Symbol,
    series: str,
    interval: timedelta,
    start: datetime,
    end: datetime,
    *,
    stored: Callable[[int], object],
) -> int:
    """Fetches what is missing of [start, end); tells `stored` how many bars of the period are done as they are, and
    answers how many were fetched. Raises what the fetching raises; what was stored by then stays."""
    fetched = 0
    for first, last in _chunks(missing_periods(files.starts(symbol, series), interval, start, end), interval):
        bars = fetch(first, last)
        if bars:
            files.add(symbol, series, _columns(bars))
        fetched += len(bars)
        stored((last - first) // interval)
    return fetched


def download_funding(fetch: FetchRates, files: MonthFiles, symbol: Symbol, start: datetime, end: datetime) -> int:
    """Fetches the rates before the first and after the last that is stored; answers how many."""
    known = files.starts(symbol, FUNDING)
    periods = [(start, end)] if not len(known) else [
        (start, from_ms(int(known[0]))), (from_ms(int(known[-1]) + 1), end)
    ]  # fmt: skip
    fetched = 0
    for first, last in periods:
        rates = fetch(first, last) if first < last else ()
        if rates:
            times = np.array([to_ms(at) for at, _ in rates], dtype=np.int64)
            values = np.array([float(rate) for _, rate in rates], dtype=np.float64)
            files.add(symbol, FUNDING, {"ts_ms": times, "funding_rate": values})
        fetched += len(rates)
    return fetched


def _chunks(periods: Sequence[tuple[datetime, datetime]], interval: timedelta) -> Iterator[tuple[datetime, datetime]]:
    for first, last in periods:
        at = first
        while at < last:
            until = min(at + _CHUNK * interval, last)
            yield at, until
            at = until


def _columns(bars: Sequence[Bar]) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
    return {
        "ts_ms": np.array([to_ms(bar.start) for bar in bars], dtype=np.int64),
        **{
            name: np.array([float(getattr(bar, name)) for bar in bars], dtype=np.float64)
            for name in ("open", "high", "low", "close", "volume")
        },
    }
