"""Small markets for tests: recordings in a folder, and indicators as a strategy would compute them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

CANDLES_VARIABLE = "ALPHA_CANDLES"
PROJECT_ROOT = Path(__file__).parents[3]
T0 = datetime(2025, 1, 1, tzinfo=UTC)


def real_candles() -> Path:
    """The folder of real candles; the test is skipped where there is none."""
    folder = Path(os.environ.get(CANDLES_VARIABLE, PROJECT_ROOT.parent / "shared" / "data" / "candles"))
    if not folder.is_dir():
        pytest.skip(f"no real candles in {folder}; set {CANDLES_VARIABLE} to a folder of them")
    return folder


def record(
    folder: Path,
    source: str,
    symbol: str,
    closes: Sequence[float],
    *,
    interval: str = "5m",
    start: datetime = T0,
    step: timedelta = timedelta(minutes=5),
    volume: float | None = 2.0,
) -> Path:
    """Writes a recording whose candles open at the close before them and stay within the two."""
    opens = [closes[0], *closes[:-1]]
    first = int(start.timestamp() * 1000)
    every = int(step.total_seconds() * 1000)
    table = pyarrow.table(
        {
            "ts_ms": pyarrow.array([first + number * every for number in range(len(closes))], pyarrow.int64()),
            "open": opens,
            "high": [max(pair) for pair in zip(opens, closes, strict=True)],
            "low": [min(pair) for pair in zip(opens, closes, strict=True)],
            "close": list(closes),
            "volume": pyarrow.array([volume] * len(closes), pyarrow.float64()),
        }
    )
    path = folder / f"{source}-{symbol}-{interval}.parquet"
    pyarrow.parquet.write_table(table, path)
    return path


def record_funding(folder: Path, symbol: str, times: Sequence[datetime], rates: Sequence[float]) -> None:
    table = pyarrow.table({"ts_ms": [int(time.timestamp() * 1000) for time in times], "funding_rate": list(rates)})
    pyarrow.parquet.write_table(table, folder / f"bybit_funding_x-{symbol}-8h.parquet")


def short_triggers(closes: Sequence[float], *, first: int, bars_of_a_day: int = 288) -> list[int]:
    """Rows from `first` on at which a short may be entered: the close crosses from above to below EMA(240) or EMA(600),
    is below both, and fewer than 12 crosses were seen that day. Rows are counted from `first`."""
    fast, slow = 2 / 241, 2 / 601
    ema_fast = ema_slow = previous = closes[0]
    found, crosses = [], 0
    for row, close in enumerate(closes):
        above_fast, above_slow = previous >= ema_fast, previous >= ema_slow
        ema_fast += (close - ema_fast) * fast
        ema_slow += (close - ema_slow) * slow
        if (row - first) % bars_of_a_day == 0:
            crosses = 0
        crossed = (above_fast and close < ema_fast) + (above_slow and close < ema_slow)
        crosses += crossed
        if row >= first and crossed and close < ema_fast and close < ema_slow and crosses < 12:
            found.append(row - first)
        previous = close
    return found


def log_returns(closes: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    returns: np.ndarray[tuple[int], np.dtype[np.float64]] = np.diff(np.log(np.asarray(closes, dtype=float)))
    return returns
