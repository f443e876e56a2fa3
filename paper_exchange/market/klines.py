from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.clock import EPOCH
from alpha.domain.ids import Symbol
from paper_exchange.market.source import BASE_INTERVAL, MarketSource

INTERVALS = {
    "5": timedelta(minutes=5),
    "15": timedelta(minutes=15),
    "30": timedelta(minutes=30),
    "60": timedelta(hours=1),
    "120": timedelta(hours=2),
    "240": timedelta(hours=4),
    "360": timedelta(hours=6),
    "720": timedelta(hours=12),
    "D": timedelta(days=1),
}
"""Bybit's names of the intervals that can be made of 5-minute bars; 1, 3, W and M cannot or have no fixed length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """A bar, and whether it is closed. The open one holds what has happened so far."""

    bar: Bar
    is_closed: bool


class Klines:
    """Bars of every interval up to the present, aggregated from the base interval when asked for."""

    def __init__(self, source: MarketSource, now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now

    def between(
        self,
        symbol: Symbol,
        interval: timedelta,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int,
    ) -> list[Candle]:
        """Candles that open in [start, end], newest first, the open one included.

        With only `start` the oldest `limit` of them, otherwise the newest.
        """
        columns = self._source.columns(symbol)
        oldest = _ceiling(columns.start, interval)
        newest = _floor(self._now(), interval)
        first = oldest if start is None else max(oldest, _ceiling(start, interval))
        last = newest if end is None else min(newest, _floor(end, interval))
        span = (limit - 1) * interval
        if start is not None and end is None:
            last = min(last, first + span)
        else:
            first = max(first, last - span)
        return [
            self._candle(symbol, interval, last - back * interval) for back in range((last - first) // interval + 1)
        ]

    def closing_now(self, symbol: Symbol, interval: timedelta) -> Candle:
        """The candle that the last base bar belongs to: closed if it ended with it, else still open."""
        return self._candle(symbol, interval, _floor(self._now() - BASE_INTERVAL, interval))

    def last_price(self, symbol: Symbol) -> Decimal:
        """The close of the last base bar."""
        columns = self._source.columns(symbol)
        return columns.price(columns.close[columns.row_of(self._now()) - 1])

    def _candle(self, symbol: Symbol, interval: timedelta, start: datetime) -> Candle:
        columns, now = self._source.columns(symbol), self._now()
        present = columns.row_of(now)
        first = columns.row_of(start)
        last = min(first + interval // BASE_INTERVAL, present)
        if last > first and interval == BASE_INTERVAL:
            return Candle(bar=columns.bar(first), is_closed=True)
        if last > first:
            bar = columns.aggregate(first, last, start=start, interval=interval)
            return Candle(bar=bar, is_closed=start + interval <= now)
        # Nothing has traded since the candle opened: it stands at the last price.
        price = self.last_price(symbol)
        nothing = 0 * price
        bar = Bar(
            symbol=symbol,
            interval=interval,
            start=start,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=nothing,
            turnover=nothing,
        )
        return Candle(bar=bar, is_closed=False)


def _floor(time: datetime, interval: timedelta) -> datetime:
    return EPOCH + (time - EPOCH) // interval * interval


def _ceiling(time: datetime, interval: timedelta) -> datetime:
    return EPOCH + -((EPOCH - time) // interval) * interval
