"""Our incremental indicators against TA-Lib and pandas over random series: one value at a time equals all at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpha.bot import Adx, Atr, Bollinger, Ema, Macd, RecentValues, Rsi

Floats = NDArray[np.float64]

lengths = st.integers(2, 30)
seeds = st.integers(0, 2**32 - 1)


def closes_of(seed: int, count: int = 200) -> Floats:
    """A random walk of prices with jumps and flat stretches."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.01, count) * rng.choice([0, 1, 5], count, p=[0.1, 0.8, 0.1])
    return np.exp(np.cumsum(steps)) * rng.choice([0.001, 1, 50_000])


def bars_of(seed: int, count: int = 200) -> tuple[Floats, Floats, Floats]:
    closes, rng = closes_of(seed, count), np.random.default_rng(seed + 1)
    return closes * (1 + rng.exponential(0.004, count)), closes * (1 - rng.exponential(0.004, count)), closes


def one_by_one(closes: Floats, update: Callable[[float], None], value: Callable[[], float]) -> Floats:
    """The indicator's value after each close."""
    values = []
    for close in closes.tolist():
        update(close)
        values.append(value())
    return np.array(values)


def same(ours: Floats, theirs: Floats, scale: float, tolerance: float = 1e-9) -> None:
    """Equal wherever the other one has a value, and it has one at the end."""
    known = ~np.isnan(theirs)
    assert known[-1]
    np.testing.assert_allclose(ours[known], theirs[known], rtol=tolerance, atol=tolerance * scale)


@given(seeds, lengths)
def test_ema_is_pandas_ewm(seed: int, length: int):
    closes, ema = closes_of(seed), Ema(length)
    theirs = pd.Series(closes).ewm(span=length, adjust=False).mean().to_numpy()
    same(one_by_one(closes, lambda close: ema.update(close) and None, lambda: ema.value), theirs, closes.max())


@given(seeds, st.integers(2, 15))
def test_ema_is_talibs_after_ten_lengths(seed: int, length: int):
    # TA-Lib seeds with a mean: after 10 lengths a billionth of that is left
    closes, ema = closes_of(seed, 20 * length), Ema(length)
    ours = one_by_one(closes, lambda close: ema.update(close) and None, lambda: ema.value)
    theirs = talib.EMA(closes, length)
    same(ours[10 * length :], theirs[10 * length :], closes.max(), 1e-8)


@given(seeds)
def test_macd_is_talibs_after_ten_lengths(seed: int):
    closes, macd = closes_of(seed, 500), Macd.of(12, 26, 9)
    signals = one_by_one(closes, lambda close: macd.update(close) and None, lambda: macd.signal.value)
    _, signal, _ = talib.MACD(closes, 12, 26, 9)
    same(signals[400:], signal[400:], closes.max(), 1e-8)


@given(seeds, lengths)
def test_bollinger_is_talibs(seed: int, length: int):
    closes, bands = closes_of(seed), Bollinger.of(length, 2)
    ours = one_by_one(closes, bands.update, lambda: bands.upper)
    upper, _, lower = talib.BBANDS(closes, length, 2, 2)
    # TA-Lib takes the deviation as a difference of squares, which loses half of the digits
    same(ours, upper, closes.max(), 1e-6)
    assert abs(bands.lower - lower[-1]) <= 1e-6 * closes.max()


@given(seeds, lengths)
def test_mean_is_talibs_sma(seed: int, length: int):
    closes, recent = closes_of(seed), RecentValues(length)
    same(one_by_one(closes, recent.update, lambda: recent.mean), talib.SMA(closes, length), closes.max())


@given(seeds, lengths)
def test_rsi_is_talibs(seed: int, length: int):
    closes, rsi = closes_of(seed), Rsi(length)
    same(one_by_one(closes, rsi.update, lambda: rsi.value), talib.RSI(closes, length), 100, 1e-8)


@given(seeds, lengths)
def test_atr_is_talibs(seed: int, length: int):
    highs, lows, closes = bars_of(seed)
    atr, ours = Atr(length), []
    for bar in zip(highs.tolist(), lows.tolist(), closes.tolist(), strict=True):
        atr.update(*bar)
        ours.append(atr.value)
    same(np.array(ours), talib.ATR(highs, lows, closes, length), closes.max())


@given(seeds, lengths)
@settings(max_examples=60)
def test_adx_is_talibs(seed: int, length: int):
    highs, lows, closes = bars_of(seed)
    adx, ours = Adx(length), []
    for bar in zip(highs.tolist(), lows.tolist(), closes.tolist(), strict=True):
        adx.update(*bar)
        ours.append(adx.value if adx.is_ready else np.nan)
    theirs = talib.ADX(highs, lows, closes, length)
    assert np.isnan(theirs).tolist() == np.isnan(ours).tolist()
    same(np.array(ours), theirs, 100, 1e-7)
