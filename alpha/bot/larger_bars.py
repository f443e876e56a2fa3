"""Bars of longer intervals, built from the bars that are fed: the same bars live and in a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, final

from pydantic import GetCoreSchemaHandler

from alpha.bot.errors import StrategyRefused
from alpha.bot.kept_state import CoreSchema, kept
from alpha.domain.bar import Bar
from alpha.domain.clock import EPOCH
from alpha.domain.ids import Symbol

ZERO: Final = Decimal(0)
TOLD_MINUTES: Final = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440)
"""Lengths of bars whose past the exchange tells (its kline intervals that fit a day)."""


def floor_to(time: datetime, interval: timedelta) -> datetime:
    """The newest start of a bar of this interval (aligned to 00:00 UTC) that is not after the time."""
    return time - (time - EPOCH) % interval


def check_larger(interval: timedelta, larger: timedelta) -> None:
    """Raises StrategyRefused when bars of `larger` cannot be built from bars of `interval`, or not warmed up with."""
    if larger <= interval or larger % interval or timedelta(days=1) % larger:
        raise StrategyRefused(
            f"bars of {larger} cannot be built from bars of {interval}: they must be a multiple and fit a day"
        )
    if larger // timedelta(minutes=1) not in TOLD_MINUTES:
        hours = ", ".join(f"{minutes / 60:g}" for minutes in TOLD_MINUTES if minutes % 60 == 0)
        raise StrategyRefused(f"the exchange tells no past bars of {larger}: take 15 or 30 minutes, or {hours} hours")


@final
@dataclass(slots=True)
class FormingBar:
    """The bar of one symbol and longer interval that is being built. It is complete or it does not exist: after a hole
    in the fed bars, building begins again at the next start."""

    symbol: Symbol
    interval: timedelta
    start: datetime
    expected: datetime
    """Start of the fed bar that comes next."""
    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    volume: Decimal = ZERO
    turnover: Decimal = ZERO

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        prices = {"open": Decimal, "high": Decimal, "low": Decimal}
        sums = {"volume": Decimal, "turnover": Decimal}
        return kept(
            cls, handler, symbol=Symbol, interval=timedelta, start=datetime, expected=datetime, **prices, **sums
        )

    @classmethod
    def at(cls, symbol: Symbol, interval: timedelta, time: datetime) -> FormingBar:
        """Builds from the first start of a bar at or after the time."""
        start = floor_to(time, interval)
        if start < time:
            start += interval
        return cls(symbol=symbol, interval=interval, start=start, expected=start)

    def add(self, bar: Bar) -> Bar | None:
        """Take the next fed bar in; answers the longer bar when this one completes it."""
        start, end = bar.start, bar.end
        if start != self.expected and not self._resume_at(start):
            return None
        if start == self.start:
            self.open, self.high, self.low = bar.open, bar.high, bar.low
            self.volume, self.turnover = bar.volume, bar.turnover
        else:
            high, low = bar.high, bar.low
            if high > self.high:
                self.high = high
            if low < self.low:
                self.low = low
            self.volume += bar.volume
            self.turnover += bar.turnover
        self.expected = end
        if end - self.start < self.interval:
            return None
        complete = Bar(
            symbol=self.symbol,
            interval=self.interval,
            start=self.start,
            open=self.open,
            high=self.high,
            low=self.low,
            close=bar.close,
            volume=self.volume,
            turnover=self.turnover,
        )
        self.start = self.expected
        return complete

    def _resume_at(self, start: datetime) -> bool:
        """What to do with a fed bar that is not the expected one: False when it belongs to no bar that can be built."""
        if start < self.expected:
            return False
        begin = FormingBar.at(self.symbol, self.interval, start).start
        self.start = self.expected = begin
        return start == begin
