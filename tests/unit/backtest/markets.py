"""Made-up recordings, and a strategy that asks for everything a broker offers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from alpha.bot import HeldPosition, Strategy, StrategyParams, StrategyState
from alpha.bot.limits import Limits
from alpha.bot.testing import an_instrument
from alpha.candles.store import CandleSeries
from alpha.candles.tape import Tape
from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from backtest.plan import Market, Plan
from backtest.recordings import Gap, Recordings
from paper_exchange.engine import FeeRates

BTC, ETH = Symbol("BTCUSDT"), Symbol("ETHUSDT")
START = datetime(2025, 3, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
FEES = FeeRates(taker=Decimal("0.0005"), maker=Decimal("0.0002"))


class Everything(Strategy[StrategyParams, StrategyState]):
    """Market and limit orders with and without stops, trailing stops, cancels and closes, by the count of bars."""

    @property
    def warm_up_bars(self) -> int:
        return 3

    def on_start(self) -> None:
        self.count = 0
        self.resting: dict[Symbol, str] = {}
        for symbol in self.symbols:
            self.broker.set_leverage(symbol, Decimal(20))

    def on_bar(self, bar: Bar) -> None:
        self.count += 1
        symbol, close, turn = bar.symbol, bar.close, self.count % 17
        held = self.broker.position(symbol)
        if held is None:
            return
        if turn == 11 and symbol in self.resting:
            self.broker.cancel(symbol, self.resting.pop(symbol))
        if not held.is_flat:
            if turn in (3, 13):
                self.broker.close(symbol, Reason.TIME_EXIT)
            return
        side = Side.BUY if self.count % 2 else Side.SELL
        if turn in (0, 5):
            stop, target = close * (1 - side.sign * Decimal("0.004")), close * (1 + side.sign * Decimal("0.006"))
            self.broker.market(symbol, side, Decimal("0.4"), stop_loss=stop, take_profit=target)
        elif turn == 8:
            price = close * (1 - side.sign * Decimal("0.002"))
            answer = self.broker.limit(symbol, side, Decimal("0.3"), price)
            if answer.accepted and answer.order_link_id is not None:
                self.resting[symbol] = answer.order_link_id

    def on_position(self, position: HeldPosition) -> None:
        if not position.is_flat and position.trailing_stop is None and self.count % 3 == 0:
            self.broker.trailing_stop(position.symbol, position.entry_price * Decimal("0.003"))


def a_series(
    bars: int, *, symbol: Symbol = BTC, seed: int = 1, gaps: Sequence[tuple[int, int]] = (), wild: float = 0.002
) -> CandleSeries:
    """A random walk around 1,000; `gaps` are left out as [first, last) rows."""
    random = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(random.normal(0, wild, bars)))
    open_ = np.concatenate([[1000.0], close[:-1]]) * (1 + random.normal(0, wild / 10, bars))
    high = np.maximum(open_, close) * (1 + np.abs(random.normal(0, wild / 2, bars)))
    low = np.minimum(open_, close) * (1 - np.abs(random.normal(0, wild / 2, bars)))
    kept = np.ones(bars, dtype=bool)
    for first, last in gaps:
        kept[first:last] = False
    starts = to_ms(START) + 300_000 * np.arange(bars, dtype=np.int64)
    return CandleSeries(
        symbol=symbol, interval=FIVE_MINUTES, starts_ms=starts[kept],
        open=open_[kept], high=high[kept], low=low[kept], close=close[kept], volume=np.full(bars, 20.0)[kept],
    )  # fmt: skip


def recordings(
    *all_series: CandleSeries, funding: Mapping[Symbol, Mapping[int, Decimal]] | None = None, basis: float = 0.0
) -> Recordings:
    """`basis` is how far the mark price swings around the close, as a fraction of it."""
    tapes, gaps = {}, []
    for series in all_series:
        waves = np.array([math.sin(n / 7) for n in range(len(series))])
        marks = CandleSeries(
            symbol=series.symbol, interval=series.interval, starts_ms=series.starts_ms, open=series.open,
            high=series.high, low=series.low, close=series.close * (1 + basis * waves), volume=series.volume,
        )  # fmt: skip
        tapes[series.symbol] = Tape(series, an_instrument(series.symbol), marks if basis else None)
        for row in np.flatnonzero(np.diff(series.starts_ms) > 300_000).tolist():
            ends = from_ms(int(series.starts_ms[row + 1]))
            begins = from_ms(int(series.starts_ms[row])) + FIVE_MINUTES
            bars = (ends - begins) // FIVE_MINUTES
            gaps.append(Gap(symbol=series.symbol, start=begins, end=ends, bars=bars))
    return Recordings(
        interval=FIVE_MINUTES, tapes=tapes, funding=funding or {}, gaps=gaps, without_marks=(), without_funding=()
    )


def a_plan(strategy: Any = Everything, *symbols: Symbol, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "strategy": strategy,
        "params": strategy.Params(),
        "limits": Limits(max_entries_per_hour=1000),
        "symbols": symbols or (BTC,),
        "markets": {each: Market(instrument=an_instrument(each), fees=FEES) for each in symbols or (BTC,)},
        "bot": BotId("everything_001"),
        "code": "ev",
    }
    return Plan(**{**values, **changes})
