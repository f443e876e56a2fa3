"""Recorded public trades played as a market.

A folder of files as https://public.bybit.com/trading offers them, one per symbol and day, `.csv`, `.csv.gz` or
`.parquet`, named `BTCUSDT2026-08-22.csv.gz`: the symbol, then anything. Columns, of which others may be there as well:

    timestamp    seconds since 1970, fractions included: 1787356800.2296
    side         Buy or Sell, the taker's
    size         base units
    price
    trdMatchID   unique; becomes the id of the public trade

Rows of one file may be in any order. The market moves in steps of a second (or what `--step` says): the trades of one
second are its bar, and are told as public trades. The first hour of the recording is history, not played. The mark
price is the last trade's, and there is no funding, because neither is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from alpha.domain.side import Side
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.short_steps import Minutes, ShortStep, ShortSteps
from paper_exchange.market.source import FundingRate, MarketStep, MarketTrade, MarketUnavailable

_COLUMNS = ("timestamp", "side", "size", "price", "trdMatchID")
_MINUTE_MS = 60_000
WARM_UP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The trades of one symbol, oldest first; prices in ticks, sizes in quantity steps."""

    times_ms: NDArray[np.int64]
    prices: NDArray[np.int64]
    sizes: NDArray[np.int64]
    buys: NDArray[np.bool_]
    ids: Any

    def rows(self, first_ms: int, end_ms: int) -> range:
        begin, end = np.searchsorted(self.times_ms, (first_ms, end_ms))
        return range(int(begin), int(end))

    def whole(self, rows: range) -> Whole:
        prices = self.prices[rows.start : rows.stop]
        volume = int(self.sizes[rows.start : rows.stop].sum())
        return Whole(int(prices[0]), int(prices.max()), int(prices.min()), int(prices[-1]), volume)


class TradesMarket:
    """The period in which every symbol has trades, from where each has an hour of history behind it."""

    def __init__(
        self,
        listings: Mapping[Symbol, Listing],
        folder: Path,
        *,
        step: timedelta = timedelta(seconds=1),
        warm_up: timedelta = WARM_UP,
    ) -> None:
        """Raises MarketUnavailable naming the symbol without trades, the file that is none, or what is too short."""
        self._listings = dict(listings)
        self._step_ms = step // timedelta(milliseconds=1)
        self._folder = folder
        self._trades = {symbol: _read(folder, listing) for symbol, listing in self._listings.items()}
        first_ms = -(-max(int(trades.times_ms[0]) for trades in self._trades.values()) // _MINUTE_MS) * _MINUTE_MS
        self._start_ms = first_ms + warm_up // timedelta(milliseconds=1)
        self._end_ms = min(int(trades.times_ms[-1]) for trades in self._trades.values()) + 1
        if self._start_ms >= self._end_ms:
            raise MarketUnavailable(f"the trades in {folder} have no period in common that is longer than {warm_up}")
        self._minutes = {symbol: self._history(symbol, first_ms) for symbol in self._listings}
        self._steps = ShortSteps(self._minutes)

    @property
    def description(self) -> dict[str, object]:
        return {
            "kind": "trades",
            "symbols": list(self._listings),
            "start_ms": self._start_ms,
            "end_ms": self._end_ms,
            "step_ms": self._step_ms,
        }

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(self._listings)

    @property
    def start(self) -> datetime:
        return from_ms(self._start_ms)

    @property
    def step_interval(self) -> timedelta:
        return timedelta(milliseconds=self._step_ms)

    def step(self, index: int) -> MarketStep | None:
        if index == 0:
            self._steps.begin_again()
        start_ms = self._start_ms + index * self._step_ms
        end_ms = start_ms + self._step_ms
        if start_ms >= self._end_ms:
            return None
        rows = {symbol: trades.rows(start_ms, end_ms) for symbol, trades in self._trades.items()}
        bars = {symbol: self._trades[symbol].whole(of) for symbol, of in rows.items() if of}
        told = {symbol: [self._trade(symbol, row) for row in of] for symbol, of in rows.items()}
        return self._steps.make(ShortStep(start_ms, end_ms, bars, {}, {}, {}, told))

    def columns(self, symbol: Symbol) -> BarColumns:
        return self._minutes[symbol].columns

    def forming(self, symbol: Symbol) -> Whole | None:
        return self._minutes[symbol].forming

    def funding_rates(self, symbol: Symbol, first: datetime, last: datetime) -> Sequence[FundingRate]:  # noqa: ARG002
        return []

    def _history(self, symbol: Symbol, first_ms: int) -> Minutes:
        trades, minutes = self._trades[symbol], Minutes(self._listings[symbol], from_ms(first_ms))
        before = trades.rows(0, first_ms)
        last = int(trades.prices[before[-1] if before else 0])
        for start_ms in range(first_ms, self._start_ms, _MINUTE_MS):
            rows = trades.rows(start_ms, start_ms + _MINUTE_MS)
            bar = trades.whole(rows) if rows else Whole(last, last, last, last, 0)
            last = bar.close
            minutes.columns.append(open_=bar.open, high=bar.high, low=bar.low, close=last, volume=bar.volume, mark=last)
        minutes.end_of_history()
        return minutes

    def _trade(self, symbol: Symbol, row: int) -> MarketTrade:
        trades, columns = self._trades[symbol], self._minutes[symbol].columns
        return MarketTrade(
            time=from_ms(int(trades.times_ms[row])),
            side=Side.BUY if trades.buys[row] else Side.SELL,
            price=columns.price(int(trades.prices[row])),
            quantity=int(trades.sizes[row]) * columns.quantity_step,
            trade_id=str(trades.ids[row]),
        )


def _read(folder: Path, listing: Listing) -> _Recorded:
    files = sorted(
        path
        for path in folder.glob(f"{listing.symbol}*")
        if path.name.endswith((".csv", ".csv.gz", ".parquet")) and not path.name[len(listing.symbol)].isalpha()
    )
    if not files:
        raise MarketUnavailable(f"there are no trades of {listing.symbol} in {folder}")
    table = pyarrow.concat_tables([_table(path) for path in files])
    times = np.floor(table["timestamp"].to_numpy() * 1000 + 1e-6).astype(np.int64)
    order = np.argsort(times, kind="stable")
    instrument = listing.instrument
    prices = np.rint(table["price"].to_numpy() / float(instrument.tick_size)).astype(np.int64)
    sizes = np.rint(table["size"].to_numpy() / float(instrument.quantity_step)).astype(np.int64)
    buys = np.asarray(table["side"].to_pylist()) == Side.BUY.value
    ids = np.asarray(table["trdMatchID"].to_pylist(), dtype=object)
    kept = order[(prices[order] > 0) & (sizes[order] > 0)]
    if not len(kept):
        raise MarketUnavailable(f"there are no trades of {listing.symbol} in {folder}")
    return _Recorded(times[kept], prices[kept], sizes[kept], buys[kept], ids[kept])


def _table(path: Path) -> pyarrow.Table:
    types = {
        "timestamp": pyarrow.float64(),
        "side": pyarrow.string(),
        "size": pyarrow.float64(),
        "price": pyarrow.float64(),
        "trdMatchID": pyarrow.string(),
    }
    schema = pyarrow.schema([(name, types[name]) for name in _COLUMNS])
    try:
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path, columns=list(_COLUMNS)).select(_COLUMNS).cast(schema)
        options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(_COLUMNS))
        return pyarrow.csv.read_csv(path, convert_options=options).select(_COLUMNS).cast(schema)
    except (OSError, pyarrow.ArrowException, KeyError) as error:
        raise MarketUnavailable(f"{path} is no file of public trades: {error}") from error
