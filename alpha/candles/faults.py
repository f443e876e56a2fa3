"""Candles that cannot be, each kind told in one sentence with the first of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpha.domain.clock import from_ms

Columns = Mapping[str, NDArray[Any]]
"""`ts_ms`, the four prices and the volume."""

END_MS = 4_102_444_800_000
"""The year 2100. A later time is one in another unit, or none."""
_PRICES = ("open", "high", "low", "close")


def bad_times(starts_ms: NDArray[np.int64]) -> Iterator[str]:
    """Only where there are none of these can the times be told as dates."""
    wrong = np.flatnonzero(~((starts_ms >= 0) & (starts_ms < END_MS)))
    if len(wrong):
        yield f"{len(wrong)} candles have a time outside of 1970 to 2100 in milliseconds, first {starts_ms[wrong[0]]}"


def off_grid(starts_ms: NDArray[np.int64], interval: timedelta) -> Iterator[str]:
    wrong = np.flatnonzero(starts_ms % (interval // timedelta(milliseconds=1)))
    if len(wrong):
        yield f"{len(wrong)} candles do not open on a multiple of the interval, first {at(starts_ms[wrong[0]])}"


def bad_bars(columns: Columns) -> Iterator[str]:
    """Times must be good. Volume may be no number: mark prices have none."""
    starts, volume = columns["ts_ms"], columns["volume"]
    open_, high, low, close = (columns[name] for name in _PRICES)
    are_prices = np.all([np.isfinite(columns[name]) & (columns[name] > 0) for name in _PRICES], axis=0)
    checks = (
        ("have a price that is no number or not above 0", ~are_prices),
        ("have a high below open or close", high < np.maximum(open_, close)),
        ("have a low above open or close", low > np.minimum(open_, close)),
        ("have a volume below 0", volume < 0),
        ("have a volume without end", np.isinf(volume)),
    )
    for what, wrong in checks:
        rows = np.flatnonzero(wrong)
        if len(rows):
            yield f"{len(rows)} candles {what}, first {at(starts[rows[0]])}"


def at(milliseconds: np.int64) -> str:
    return f"{from_ms(int(milliseconds)):%Y-%m-%d %H:%M}"
