"""A strategy and a market small enough to be run a hundred times in a test."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow
from pyarrow import parquet
from pydantic import Field, model_validator

from alpha.bot import Strategy, StrategyParams, StrategyState
from alpha.bot.limits import Limits
from alpha.bot.loading import load_params
from alpha.bot.testing import an_instrument
from alpha.domain.bar import Bar
from alpha.domain.ids import BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from backtest.plan import Market, Plan
from paper_exchange.engine import FeeRates

BTC = Symbol("BTCUSDT")
START = datetime(2025, 3, 1, tzinfo=UTC)
BARS = 3 * 288


class RippleParams(StrategyParams):
    rise_bars: int = Field(default=3, gt=0)
    hold_bars: int = Field(default=6, gt=0)
    pause_minutes: float = 0
    """Reckoned with, and nothing else."""

    @model_validator(mode="after")
    def _in_order(self) -> RippleParams:
        if self.rise_bars > self.hold_bars:
            raise ValueError("rise_bars must not be above hold_bars")
        return self


class RippleState(StrategyState):
    risen: int = 0
    last: float = 0.0
    held: int = 0


class Ripple(Strategy[RippleParams, RippleState]):
    """Buys after so many rising bars and sells after having held for so many."""

    Params, State = RippleParams, RippleState

    def observe(self, bar: Bar) -> None:
        close = float(bar.close)
        self.state.risen = self.state.risen + 1 if close > self.state.last else 0
        self.state.last = close

    def on_bar(self, bar: Bar) -> None:
        timedelta(minutes=self.params.pause_minutes)
        held = self.broker.position(bar.symbol)
        if held is not None and not held.is_flat:
            self.state.held += 1
            if self.state.held >= self.params.hold_bars:
                self.broker.close(bar.symbol, Reason.TIME_EXIT)
        elif self.state.risen >= self.params.rise_bars:
            self.state.held = 0
            self.broker.market(bar.symbol, Side.BUY, Decimal("0.5"))


def write_candles(folder: Path) -> None:
    """Three days in waves of two hours, so that some parameters earn and others do not."""
    closes = [1000 + 40 * math.sin(n * 2 * math.pi / 24) for n in range(BARS)]
    opens = [closes[0], *closes[:-1]]
    start_ms = int(START.timestamp() * 1000)
    table = pyarrow.table(
        {
            "ts_ms": [start_ms + n * 300_000 for n in range(BARS)],
            "open": opens,
            "high": [max(pair) for pair in zip(opens, closes, strict=True)],
            "low": [min(pair) for pair in zip(opens, closes, strict=True)],
            "close": closes,
            "volume": [500.0] * BARS,
        }
    )
    parquet.write_table(table, folder / "bybit_linear_made-BTCUSDT-5m.parquet")


def a_plan() -> Plan:
    return Plan(
        strategy=Ripple,
        params=load_params(Ripple, {}),
        limits=Limits(),
        symbols=(BTC,),
        markets={
            BTC: Market(instrument=an_instrument(), fees=FeeRates(taker=Decimal("0.0005"), maker=Decimal("0.0002")))
        },
        bot=BotId("ripple_001"),
        code="rp",
        start=START + timedelta(hours=1),
        end=START + BARS * timedelta(minutes=5),
    )
