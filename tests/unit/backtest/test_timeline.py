from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from alpha.bot.testing import BTC, an_instrument
from alpha.candles.store import CandleSeries
from alpha.candles.tape import Tape
from alpha.domain.ids import Symbol
from backtest.timeline import Timeline

START = datetime(2025, 3, 1, tzinfo=UTC)
ETH = Symbol("ETHUSDT")
MINUTE = timedelta(minutes=1)


def a_tape(symbol: Symbol, minutes: list[int]) -> Tape:
    """Candles that open so many minutes after the start and close at 101 and the minute."""
    n = np.array(minutes, dtype=np.float64)
    series = CandleSeries(
        symbol=symbol,
        interval=MINUTE,
        starts_ms=int(START.timestamp()) * 1000 + 60_000 * np.array(minutes, dtype=np.int64),
        open=100 + n,
        high=102 + n,
        low=99 + n,
        close=101 + n,
        volume=n + 1,
    )
    return Tape(series, an_instrument(symbol))


def seen(timeline: Timeline) -> list[list[tuple[Symbol, int, float]]]:
    """Symbol, minute and close of the bars of every index."""
    return [
        [(bar.symbol, (bar.start - START) // MINUTE, bar.close_as_float) for bar in bars]
        for first, last in timeline.runs(0, len(timeline))
        for bars in timeline.bars(first, last)
    ]


def test_a_symbol_without_a_bar_is_left_out_there():
    # given one with every bar and one that begins later, has a hole and ends earlier
    timeline = Timeline({BTC: a_tape(BTC, [0, 1, 2, 3, 4, 5]), ETH: a_tape(ETH, [1, 2, 4])}, MINUTE)
    assert seen(timeline) == [
        [(BTC, 0, 101.0)],
        [(BTC, 1, 102.0), (ETH, 1, 102.0)],
        [(BTC, 2, 103.0), (ETH, 2, 103.0)],
        [(BTC, 3, 104.0)],
        [(BTC, 4, 105.0), (ETH, 4, 105.0)],
        [(BTC, 5, 106.0)],
    ]


def test_bars_after_an_outage_of_all_begin_when_they_do():
    timeline = Timeline({BTC: a_tape(BTC, [0, 1, 5, 6]), ETH: a_tape(ETH, [1, 6])}, MINUTE)
    assert [[minute for _, minute, _ in bars] for bars in seen(timeline)] == [[0], [1, 1], [5], [6, 6]]


def test_a_bar_ends_where_the_next_one_begins():
    timeline = Timeline({BTC: a_tape(BTC, [0, 1, 2])}, MINUTE)
    bars = [bar for (bar,) in timeline.bars(0, 3)]
    assert [bar.end for bar in bars[:-1]] == [bar.start for bar in bars[1:]]
    assert bars == [timeline.lanes[BTC].tape.bar(row) for row in range(3)]
