from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alpha.bot.testing import BTC, an_instrument
from alpha.candles.store import CandleSeries
from alpha.candles.tape import Tape, as_numpy
from alpha.domain.bar import Bar

START_MS = 1_740_787_200_000
START = datetime(2025, 3, 1, tzinfo=UTC)


def a_tape(rows: int = 1, *, minutes: int = 5, marks: CandleSeries | None = None) -> Tape:
    return Tape(a_series(rows, minutes=minutes), an_instrument(), marks)


def a_series(rows: int, *, minutes: int, first: float = 100.0) -> CandleSeries:
    n = np.arange(rows, dtype=np.float64)
    return CandleSeries(
        symbol=BTC,
        interval=timedelta(minutes=minutes),
        starts_ms=START_MS + 60_000 * minutes * np.arange(rows, dtype=np.int64),
        open=first + n,
        high=first + n + 2,
        low=first + n - 1,
        close=first + n + 1,
        volume=n + 0.5,
    )


def test_a_bar_of_a_tape_is_the_bar():
    bar = a_tape().bar(0)
    same = Bar(
        symbol=BTC,
        interval=timedelta(minutes=5),
        start=START,
        open=Decimal("100"),
        high=Decimal("102"),
        low=Decimal("99"),
        close=Decimal("101"),
        volume=Decimal("0.5"),
        # 0.5 x (100 + 102 + 99 + 101) / 4
        turnover=Decimal("50.25"),
    )
    assert bar == same
    assert same == bar
    assert hash(bar) == hash(same)
    assert isinstance(bar, Bar)
    assert bar.end == START + timedelta(minutes=5)
    assert a_tape(2).bar(1) != same


def test_prices_are_put_on_the_tick_and_volumes_on_the_step():
    series = a_series(1, minutes=5, first=100.04)
    bar = Tape(series, an_instrument()).bar(0)
    assert (bar.open, bar.high, bar.volume) == (Decimal("100.0"), Decimal("102.0"), Decimal("0.500"))


@given(ticks=st.integers(1, 2**40), tick=st.sampled_from(["0.1", "0.5", "0.0001", "0.0000001", "0.025", "10"]))
def test_a_float_for_an_indicator_is_the_one_nearest_to_the_price(ticks: int, tick: str):
    instrument = replace(an_instrument(), tick_size=Decimal(tick), quantity_step=Decimal(tick))
    tape = Tape(a_series(1, minutes=5), instrument)
    for column in (tape.high, tape.low, tape.close, tape.volume):
        column[0] = min(ticks, 2 ** (8 * column.itemsize - 1) - 1)
    bar = tape.bar(0)
    assert bar.high_as_float == float(bar.high)
    assert bar.low_as_float == float(bar.low)
    assert bar.close_as_float == float(bar.close)
    assert bar.volume_as_float == float(bar.volume)


def test_prices_that_do_not_fit_in_32_bits_are_kept_all_the_same():
    # 300,000,000 in ticks of 0.1 is beyond 2^31
    small, large = a_tape(2), Tape(a_series(2, minutes=5, first=3e8), an_instrument())
    assert (small.close.itemsize, large.close.itemsize) == (4, 8)
    assert large.bar(1).close == Decimal("300000002.0")
    assert as_numpy(large.close).tolist() == list(large.close)
    assert as_numpy(small.close).tolist() == list(small.close)


def test_the_mark_price_between_two_recorded_ones_keeps_the_last_known_distance():
    # Hourly marks over half-hour candles: the first mark closes with the second candle, at 1 % above its close.
    marks = a_series(1, minutes=60)
    marks = CandleSeries(
        symbol=BTC, interval=marks.interval, starts_ms=marks.starts_ms, open=marks.open, high=marks.high,
        low=marks.low, close=np.array([102.0 * 1.01]), volume=marks.volume,
    )  # fmt: skip
    tape = Tape(a_series(4, minutes=30), an_instrument(), marks)
    closes = [tape.price(ticks) for ticks in tape.close]
    found = [tape.price(ticks) for ticks in tape.mark]
    # unknown before, then 102 x 1.01, 103 x 1.01 and 104 x 1.01, on the tick of 0.1
    assert closes == [Decimal(101), Decimal(102), Decimal(103), Decimal(104)]
    assert found == [Decimal(101), Decimal("103.0"), Decimal("104.0"), Decimal("105.0")]
