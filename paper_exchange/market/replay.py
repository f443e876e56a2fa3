"""Recorded candles played as a market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpha.candles.store import CandleSeries, CandleStore, FundingSeries, common_period
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.source import BASE_INTERVAL, WARM_UP_BARS, FundingRate, MarketStep, MarketUnavailable

_BASE = "5m"
_MARK = "1h"
_RATE_PLACES = Decimal("0.00000001")


class ReplayMarket:
    """The longest period in which every symbol has every candle, from where each has its warm-up behind it.

    Prices are put on today's tick, because an order could not be filled anywhere else. The mark price is the recorded
    one at the full hours; in between the last known ratio of mark and trade price is carried on, because a market does
    not know the coming hour's. Without a recording the mark price is the close. Funding is the recorded one.
    """

    def __init__(
        self, listings: Mapping[Symbol, Listing], store: CandleStore, *, warm_up_bars: int = WARM_UP_BARS
    ) -> None:
        """Raises MarketUnavailable when the recordings have no common period longer than the warm-up."""
        self._listings = dict(listings)
        recorded = {symbol: store.series(symbol, _BASE) for symbol in self._listings}
        period = common_period(recorded.values())
        if period is None:
            raise MarketUnavailable(f"the candles of {', '.join(recorded)} have no period in common")
        first, self._end = period
        self._start = first + warm_up_bars * BASE_INTERVAL
        if self._start >= self._end:
            have = (self._end - first) // BASE_INTERVAL
            raise MarketUnavailable(
                f"the candles of {', '.join(recorded)} have {have} bars in common, "
                f"and the warm-up alone needs {warm_up_bars}"
            )
        self._columns = {}
        for symbol, series in recorded.items():
            run = next(s for s in series.segments() if s.first <= first and s.end >= self._end)
            self._columns[symbol] = _columns(listings[symbol], run, store.marks(symbol, _MARK))
        self._funding = {symbol: store.funding(symbol) for symbol in self._listings}

    @property
    def description(self) -> dict[str, object]:
        return {
            "kind": "candles",
            "symbols": list(self._listings),
            "start_ms": to_ms(self._start),
            "end_ms": to_ms(self._end),
        }

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(self._listings)

    @property
    def start(self) -> datetime:
        return self._start

    def step(self, index: int) -> MarketStep | None:
        opens = self._start + index * BASE_INTERVAL
        if opens >= self._end:
            return None
        rows = {symbol: (columns, columns.row_of(opens)) for symbol, columns in self._columns.items()}
        return MarketStep(
            start=opens,
            end=opens + BASE_INTERVAL,
            bars={symbol: columns.bar(row) for symbol, (columns, row) in rows.items()},
            marks={symbol: columns.price(columns.mark[row]) for symbol, (columns, row) in rows.items()},
            funding={
                symbol: rate.rate for symbol in self._listings for rate in self.funding_rates(symbol, opens, opens)
            },
        )

    @property
    def step_interval(self) -> timedelta:
        return BASE_INTERVAL

    def forming(self, symbol: Symbol) -> Whole | None:  # noqa: ARG002
        """Nothing: a step is a row."""
        return None

    def columns(self, symbol: Symbol) -> BarColumns:
        return self._columns[symbol]

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:
        funding = self._funding[symbol]
        if funding is None:
            return []
        return _rates_between(funding, first, last)


def _columns(listing: Listing, series: CandleSeries, marks: CandleSeries | None) -> BarColumns:
    columns = BarColumns(listing.instrument, start=series.first, interval=BASE_INTERVAL)
    tick, step = float(columns.tick_size), float(columns.quantity_step)
    columns.extend(
        open_=_units(series.open, tick),
        high=_units(series.high, tick),
        low=_units(series.low, tick),
        close=_units(series.close, tick),
        volume=_units(series.volume, step),
        mark=_units(_mark_at_close(series, marks), tick),
    )
    return columns


def _units(values: NDArray[np.float64], unit: float) -> Any:
    return np.rint(values / unit).astype(np.int64)


def _mark_at_close(series: CandleSeries, marks: CandleSeries | None) -> NDArray[np.float64]:
    if marks is None or not len(marks):
        return series.close
    ends = series.starts_ms + BASE_INTERVAL // timedelta(milliseconds=1)
    mark_ends = marks.starts_ms + marks.interval // timedelta(milliseconds=1)
    # The ratio of mark to trade price at each recorded hour that also closes a bar, carried forward to the next one.
    _, in_series, in_marks = np.intersect1d(ends, mark_ends, assume_unique=True, return_indices=True)
    if not len(in_series):
        return series.close
    ratios = marks.close[in_marks] / series.close[in_series]
    known = np.searchsorted(in_series, np.arange(len(series)), side="right") - 1
    return np.where(known >= 0, series.close * ratios[known], series.close)


def _rates_between(funding: FundingSeries, first: datetime, last: datetime) -> list[FundingRate]:
    begin = int(np.searchsorted(funding.times_ms, to_ms(first), side="left"))
    end = int(np.searchsorted(funding.times_ms, to_ms(last), side="right"))
    return [
        FundingRate(
            time=from_ms(int(funding.times_ms[row])),
            rate=Decimal(repr(float(funding.rates[row]))).quantize(_RATE_PLACES),
        )
        for row in range(begin, end)
    ]
