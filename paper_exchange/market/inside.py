"""What a bar looked like inside, for whoever asks for shorter candles than were recorded.

A bar is walked as `paper_exchange.engine.path` says: open, the extreme against its direction, the other one, close, at
0, 1/3, 2/3 and the end of its time, price and time linear in between. So a shorter candle shows the prices at which
orders were in fact filled then. Volume is spread evenly.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Whole(NamedTuple):
    """A bar in ticks and quantity steps."""

    open: int
    high: int
    low: int
    close: int
    volume: int


def part(bar: Whole, first: int, last: int, of: int) -> Whole:
    """The bar between `first` and `last` of `of` equal parts of its time."""
    return _within(bar, Fraction(first, of), Fraction(last, of))


def _within(bar: Whole, begin: Fraction, end: Fraction) -> Whole:
    points = path_of(bar)
    opened, closed = _price_at(points, begin), _price_at(points, end)
    passed = [price for number, price in enumerate(points) if begin < Fraction(number, 3) < end]
    reached = [opened, closed, *passed]
    volume = int(bar.volume * end) - int(bar.volume * begin)
    return Whole(opened, max(reached), min(reached), closed, volume)


def path_of(bar: Whole) -> tuple[int, int, int, int]:
    """The four prices that a bar visits, in their order."""
    first, second = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    return bar.open, first, second, bar.close


def _price_at(points: tuple[int, int, int, int], at: Fraction) -> int:
    """In whole ticks, halves away from none in particular: the same for the close of a part and the next one's open."""
    leg = min(int(at * 3), 2)
    begin, end = points[leg], points[leg + 1]
    return round(begin + (end - begin) * (at * 3 - leg))
