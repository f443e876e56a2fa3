from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from paper_exchange.market.columns import BarColumns
from paper_exchange.market.inside import Whole, part
from paper_exchange.market.intervals import INTERVALS, Interval
from paper_exchange.market.source import MarketSource

__all__ = ["INTERVALS", "Candle", "Klines", "Price"]

Price = Literal["last", "mark", "index"]
"""Of what. There is no index beside the mark price, so the mark stands in for it."""

_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """A bar, and whether it is closed. The open one holds what has happened so far."""

    bar: Bar
    is_closed: bool


class Klines:
    """Bars of every interval up to the present, made of the market's own rows when asked for.

    Shorter ones than a row are cut from it along its path (`paper_exchange.market.inside`).
    """

    def __init__(self, source: MarketSource, now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now

    def between(
        self,
        symbol: Symbol,
        interval: Interval,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int,
        kind: Price = "last",
    ) -> list[Candle]:
        """Candles that open in [start, end], newest first, the open one included.

        With only `start` the oldest `limit` of them, otherwise the newest. Those of mark and index have no volume.
        """
        oldest = interval.ceiling(self._source.columns(symbol).start)
        newest = interval.floor(self._now())
        first = oldest if start is None else max(oldest, interval.ceiling(start))
        last = newest if end is None else min(newest, interval.floor(end))
        if start is not None and end is None:
            last = min(last, interval.shift(first, limit - 1))
        else:
            first = max(first, interval.shift(last, 1 - limit))
        candles = []
        while last >= first:
            candles.append(self._candle(symbol, interval, last, kind))
            last = interval.shift(last, -1)
        return candles

    def closing_between(self, symbol: Symbol, interval: Interval, since: datetime) -> list[Candle]:
        """The candles that the market went through since then, oldest first: all closed but perhaps the last.

        A candle that has just opened and has seen nothing yet is not among them.
        """
        last = interval.floor(self._now() - datetime.resolution)
        start = max(interval.floor(since), interval.ceiling(self._source.columns(symbol).start))
        candles = []
        while start <= last:
            candles.append(self._candle(symbol, interval, start, "last"))
            start = interval.shift(start, 1)
        return candles

    def last_price(self, symbol: Symbol) -> Decimal:
        """The price of the last trade."""
        columns = self._source.columns(symbol)
        forming = self._source.forming(symbol)
        return columns.price(columns.close[columns.row_of(self._now()) - 1] if forming is None else forming.close)

    def last_volume(self, symbol: Symbol) -> Decimal:
        """What was traded in the last whole row of the history."""
        columns = self._source.columns(symbol)
        return columns.volume[columns.row_of(self._now()) - 1] * columns.quantity_step

    def _candle(self, symbol: Symbol, interval: Interval, start: datetime, kind: Price) -> Candle:
        columns, now = self._source.columns(symbol), self._now()
        end = interval.shift(start, 1)
        if kind == "last" and end - start == columns.interval and end <= now:
            return Candle(bar=columns.bar(columns.row_of(start)), is_closed=True)
        pieces = list(self._pieces(symbol, columns, start, min(end, now), kind))
        if not pieces:
            # Nothing has traded since the candle opened: it stands at the price before.
            price = self._standing(symbol, columns, kind)
            pieces.append(Whole(price, price, price, price, 0))
        opens, highs, lows, closes, volumes = zip(*pieces, strict=True)
        turnover = sum(piece.volume * sum(piece[:4]) for piece in pieces) * columns.quarter_unit
        bar = Bar(
            symbol=symbol,
            interval=end - start,
            start=start,
            open=columns.price(opens[0]),
            high=columns.price(max(highs)),
            low=columns.price(min(lows)),
            close=columns.price(closes[-1]),
            volume=sum(volumes) * columns.quantity_step,
            turnover=turnover.quantize(_PLACES),
        )
        return Candle(bar=bar, is_closed=end <= now)

    def _pieces(
        self, symbol: Symbol, columns: BarColumns, start: datetime, until: datetime, kind: Price
    ) -> Iterator[Whole]:
        """Rows, parts of rows, and what is known of the row that is not finished, from start to until."""
        present = columns.row_of(self._now())
        whole = columns.whole if kind == "last" else columns.whole_mark
        row = columns.row_of(start)
        while (begins := columns.time_of(row)) < until:
            ends = begins + columns.interval
            if row >= present:
                forming = self._source.forming(symbol)
                if forming is not None:
                    yield forming if kind == "last" else forming._replace(volume=0)
            elif start <= begins and ends <= until:
                yield whole(row)
            else:
                of = columns.interval // INTERVALS["1"].length
                first = (max(start, begins) - begins) * of // columns.interval
                last = (min(until, ends) - begins) * of // columns.interval
                yield part(whole(row), first, last, of)
            row += 1

    def _standing(self, symbol: Symbol, columns: BarColumns, kind: Price) -> int:
        forming = self._source.forming(symbol)
        if forming is not None:
            return forming.close
        row = columns.row_of(self._now()) - 1
        return columns.close[row] if kind == "last" else columns.mark[row]
