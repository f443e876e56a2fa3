"""What a backtest reads: candles, mark prices and funding of its symbols, cut to the period and its warm-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from alpha.candles.store import CandleSeries, CandleStore, interval_text
from alpha.candles.tape import Tape
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from backtest.errors import BacktestRefused

_MARK = "1h"
_RATE_PLACES = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A hole in the middle of a recording: no candle of the symbol opens in [start, end)."""

    symbol: Symbol
    start: datetime
    end: datetime
    bars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """`funding` holds rates by the instant (ms) at which they were due; a symbol without a recording has none.
    `without_marks` are the symbols whose mark price is taken to be the close."""

    interval: timedelta
    tapes: Mapping[Symbol, Tape]
    funding: Mapping[Symbol, Mapping[int, Decimal]]
    gaps: Sequence[Gap]
    without_marks: tuple[Symbol, ...]
    without_funding: tuple[Symbol, ...]

    @property
    def first(self) -> datetime:
        """When the earliest candle opens."""
        return min(tape.start_of(0) for tape in self.tapes.values())

    @property
    def end(self) -> datetime:
        """When the latest candle closes."""
        return max(tape.start_of(len(tape) - 1) + self.interval for tape in self.tapes.values())


def read_recordings(
    store: CandleStore,
    instruments: Mapping[Symbol, Instrument],
    interval: timedelta,
    *,
    since: datetime | None,
    until: datetime | None,
) -> Recordings:
    """Candles that open at or after `since` and close by `until` (None: all there are).

    Raises BacktestRefused for a symbol that has none in the period, CandlesUnavailable for one that has none at all,
    and CandleConflict where two files disagree.
    """
    text = interval_text(interval)
    tapes, funding, gaps, without_marks, without_funding = {}, {}, [], [], []
    for symbol, instrument in instruments.items():
        series = store.series(symbol, text)
        cut = series.between(since or series.first, (until or series.end) - interval + timedelta(milliseconds=1))
        if not len(cut):
            raise BacktestRefused(
                f"{symbol} has {text} candles from {series.first:%Y-%m-%d %H:%M} to {series.end:%Y-%m-%d %H:%M} UTC, "
                "none of them in the period asked for"
            )
        marks = store.marks(symbol, _MARK)
        if marks is None:
            without_marks.append(symbol)
        tapes[symbol] = Tape(cut, instrument, marks)
        gaps += _gaps(cut)
        rates = store.funding(symbol)
        if rates is None:
            without_funding.append(symbol)
        else:
            if not np.isfinite(rates.rates).all():
                raise BacktestRefused(f"{symbol}: the recorded funding rates hold something that is no number")
            funding[symbol] = {
                int(at): Decimal(repr(float(rate))).quantize(_RATE_PLACES)
                for at, rate in zip(rates.times_ms, rates.rates, strict=True)
                if to_ms(cut.first) <= at <= to_ms(cut.end)
            }
    return Recordings(
        interval=interval,
        tapes=tapes,
        funding=funding,
        gaps=gaps,
        without_marks=tuple(without_marks),
        without_funding=tuple(without_funding),
    )


def _gaps(series: CandleSeries) -> list[Gap]:
    step = series.interval // timedelta(milliseconds=1)
    starts = series.starts_ms
    return [
        Gap(
            symbol=series.symbol,
            start=from_ms(int(starts[row]) + step),
            end=from_ms(int(starts[row + 1])),
            bars=int(starts[row + 1] - starts[row]) // step - 1,
        )
        for row in np.flatnonzero(np.diff(starts) != step).tolist()
    ]
