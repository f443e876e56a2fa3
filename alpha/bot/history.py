"""Closed bars over REST: the warm-up, what was missed while the bot was down, and gaps of the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol


class KlineSource(Protocol):
    def klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:
        """Bars that start within [start, end), oldest first."""
        ...


def closed_bars(
    source: KlineSource, symbol: Symbol, interval: timedelta, since: datetime, until: datetime
) -> list[Bar]:
    """Bars with since <= start and end <= until, oldest first: a bar whose end is in the future does not exist."""
    if until - since < interval:
        return []
    bars = source.klines(symbol, interval, since, until)
    return sorted(
        (bar for bar in bars if bar.start >= since and bar.end <= until),
        key=lambda bar: bar.start,
    )


def rounds_of(bars: Mapping[Symbol, Sequence[Bar]], symbols: Sequence[Symbol]) -> list[tuple[Bar, ...]]:
    """The bars of all symbols grouped by their end, oldest first, each group in the order of the symbols."""
    place = {symbol: index for index, symbol in enumerate(symbols)}
    ordered = sorted((bar for each in bars.values() for bar in each), key=lambda bar: (bar.end, place[bar.symbol]))
    return [tuple(group) for _, group in groupby(ordered, key=lambda bar: bar.end)]
