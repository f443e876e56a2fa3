"""Longer bars built one by one against pandas, over random bars with holes, and against those Bybit recorded."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.bot.larger_bars import FormingBar
from alpha.bot.testing import BTC, a_bar
from alpha.domain.bar import Bar

START = datetime(2025, 10, 14, 10, 25, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
CANDLES = Path(os.environ.get("ALPHA_CANDLES", Path(__file__).parents[3] / "../shared/data/candles"))
INTERVALS = [timedelta(minutes=minutes) for minutes in (15, 30, 60, 240)]


def built(bars: list[Bar], interval: timedelta) -> list[Bar]:
    forming = FormingBar.at(BTC, interval, bars[0].start)
    return [made for bar in bars if (made := forming.add(bar)) is not None]


def resampled(bars: list[Bar], interval: timedelta) -> list[tuple[datetime, list[Decimal]]]:
    """(start, [open, high, low, close, volume]) of every interval none of whose bars is missing."""
    rows = [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    frame = pd.DataFrame(rows, columns=["start", "open", "high", "low", "close", "volume"])
    found = []
    for start, group in frame.groupby(frame["start"].dt.floor(interval)):
        if len(group) == interval // FIVE_MINUTES:
            first, last = group.iloc[0], group.iloc[-1]
            volume = sum(group["volume"], Decimal(0))
            found.append((start, [first["open"], max(group["high"]), min(group["low"]), last["close"], volume]))
    return found


@given(st.lists(st.tuples(st.integers(90, 110), st.integers(0, 5), st.booleans()), min_size=1, max_size=150), st.data())
def test_building_is_resampling_whatever_is_missing(moves: list[tuple[int, int, bool]], data: st.DataObject):
    interval = data.draw(st.sampled_from(INTERVALS))
    bars = [
        a_bar(close, end=START + (n + 1) * FIVE_MINUTES, high=close + reach, low=close - reach, volume=close % 7)
        for n, (close, reach, there) in enumerate(moves)
        if there or not n
    ]
    made = [(bar.start, [bar.open, bar.high, bar.low, bar.close, bar.volume]) for bar in built(bars, interval)]
    assert made == resampled(bars, interval)


@pytest.mark.skipif(not CANDLES.is_dir(), reason=f"no candles in {CANDLES}: set ALPHA_CANDLES to their folder")
def test_four_hours_built_of_five_minutes_are_those_that_bybit_recorded():
    def recorded(name: str, count: int) -> list[list[str]]:
        frame = pd.read_parquet(CANDLES / f"bybit_linear_dkotl-BTCUSDT-{name}.parquet").head(count)
        columns = ["ts_ms", "open", "high", "low", "close"]
        return [[str(value) for value in row] for row in frame[columns].itertuples(index=False)]

    bars = []
    for ts_ms, first, high, low, close in recorded("5m", 48 * 60):
        end = datetime.fromtimestamp(int(ts_ms) / 1000, UTC) + FIVE_MINUTES
        bars.append(a_bar(close, end=end, open=first, high=high, low=low))
    made = built(bars, timedelta(hours=4))
    assert [
        [Decimal(value) for value in (bar.start.timestamp() * 1000, bar.open, bar.high, bar.low, bar.close)]
        for bar in made
    ] == [[Decimal(value) for value in row] for row in recorded("4h", 60)]
    assert all(after.start == before.end for before, after in pairwise(made))
