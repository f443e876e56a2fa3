"""What is wrong with recorded candles: holes, rows twice, bars that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.candles.faults import at, bad_bars, bad_times, off_grid
from alpha.candles.store import CandleStore, interval_of, read_columns
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol

_PRICES = ("open", "high", "low", "close")
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Of one file, or of all files of a symbol and interval together (`file` None). `rows` 0: it could not be read.

    `problems` make the check fail; `remarks` are worth knowing.
    """

    symbol: Symbol
    interval: str
    file: Path | None
    rows: int = 0
    first: datetime | None = None
    end: datetime | None = None
    problems: tuple[str, ...] = field(default=())
    remarks: tuple[str, ...] = field(default=())


def check_store(store: CandleStore) -> Iterator[Findings]:
    """Every file by itself, then what the files of each symbol and interval are together."""
    for symbol, interval in store.trade_series():
        for path in store.files_of(symbol, interval):
            yield check_file(path, symbol, interval)
        try:
            joined = store.series(symbol, interval)
        except (CandleConflict, CandlesUnavailable) as error:
            yield Findings(symbol=symbol, interval=interval, file=None, problems=(str(error),))
            continue
        gaps = _gaps(joined.starts_ms, joined.interval)
        yield Findings(
            symbol=symbol,
            interval=interval,
            file=None,
            rows=len(joined),
            first=joined.first,
            end=joined.end,
            problems=tuple(gaps),
        )


def check_file(path: Path, symbol: Symbol, interval: str) -> Findings:
    try:
        columns = read_columns(path, ("ts_ms", *_PRICES, "volume"))
        length = interval_of(interval)
    except CandlesUnavailable as error:
        return Findings(symbol=symbol, interval=interval, file=path, problems=(str(error),))
    starts = columns["ts_ms"]
    if not len(starts):
        return Findings(symbol=symbol, interval=interval, file=path, problems=("holds no candle",))
    if times := tuple(bad_times(starts)):
        return Findings(symbol=symbol, interval=interval, file=path, rows=len(starts), problems=times)
    return Findings(
        symbol=symbol,
        interval=interval,
        file=path,
        rows=len(starts),
        first=from_ms(int(starts[0])),
        end=from_ms(int(starts[-1])) + length,
        problems=(*_order(starts), *off_grid(starts, length), *bad_bars(columns)),
        remarks=tuple(_quiet(columns)),
    )


def _order(starts: NDArray[np.int64]) -> Iterator[str]:
    steps = np.diff(starts)
    twice = np.flatnonzero(steps == 0)
    if len(twice):
        yield f"{len(twice)} candles are there twice, first {at(starts[twice[0]])}"
    back = np.flatnonzero(steps < 0)
    if len(back):
        yield f"{len(back)} candles are older than the one before, first {at(starts[back[0] + 1])}"


def _gaps(starts: NDArray[np.int64], interval: timedelta) -> list[str]:
    step = interval // timedelta(milliseconds=1)
    breaks = np.flatnonzero(np.diff(starts) > step)
    found = [
        f"no candles from {at(starts[row] + step)} to {at(starts[row + 1])} "
        f"({(starts[row + 1] - starts[row]) // step - 1})"
        for row in breaks[:_SHOWN].tolist()
    ]
    return [*found, f"and {len(breaks) - _SHOWN} more gaps"] if len(breaks) > _SHOWN else found


def _quiet(columns: dict[str, NDArray[np.float64]]) -> Iterator[str]:
    silent = int(np.count_nonzero(columns["volume"] == 0))
    if silent:
        yield f"{silent} candles without volume"
