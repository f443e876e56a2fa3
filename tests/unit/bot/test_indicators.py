"""Indicators against values computed by hand, and over a restart."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from alpha.bot import Adx, Atr, Bollinger, Ema, Macd, RecentValues, Rsi


def restarted(indicator: Any) -> Any:
    """What a bot finds of it after a restart."""
    adapter = TypeAdapter(type(indicator))
    return adapter.validate_json(adapter.dump_json(indicator))


def test_ema_follows_the_weight_two_over_length_plus_one():
    ema = Ema(3)  # weight 2 / (3 + 1) = 0.5
    # the first value seeds; then 10 + (20 - 10) / 2 = 15; 15 + (11 - 15) / 2 = 13
    assert [ema.update(price) for price in (10, 20, 11)] == [10, 15, 13]


def test_the_share_of_an_ema_that_is_still_its_seed():
    ema = Ema(3)
    for _ in range(4):
        ema.update(1.0)
    assert ema.seed_share == 0.5**3
    assert (1 - 2 / 601) ** 5999 < 1e-8  # an EMA of 600 after 6,000 bars


def test_macd_is_the_difference_of_two_averages_and_its_own_average():
    macd = Macd.of(1, 3, 3)
    # fast = price; slow 10, 15, 13; difference 0, 5, -2; signal 0, 2.5, 0.25
    assert [macd.update(price) for price in (10, 20, 11)] == [0, 5, -2]
    assert macd.signal.value == 0.25
    assert macd.histogram == -2.25


def test_recent_values_keep_the_newest():
    recent = RecentValues(3)
    for value in (5, 1, 2, 6):
        recent.update(value)
    # 1, 2, 6: mean 3, deviation sqrt((4 + 1 + 9) / 3)
    assert list(recent.values) == [1, 2, 6]
    assert (recent.first, recent.lowest, recent.highest, recent.mean) == (1, 1, 6, 3)
    assert recent.deviation == pytest.approx((14 / 3) ** 0.5)
    assert recent.is_full


def test_bollinger_bands_are_population_deviations_around_the_mean():
    bands = Bollinger.of(4, 2)
    for close in (2, 4, 4):
        bands.update(close)
    assert not bands.is_ready
    bands.update(6)
    # mean 4, deviation sqrt((4 + 0 + 0 + 4) / 4) = sqrt 2
    assert bands.middle == 4
    assert bands.upper == pytest.approx(4 + 2 * 2**0.5)
    assert bands.lower == pytest.approx(4 - 2 * 2**0.5)
    assert bands.width == pytest.approx(2**0.5)


def test_rsi_weighs_gains_against_losses():
    rsi = Rsi(2)
    for close in (10, 12, 11):
        rsi.update(close)
    # gains 2, 0 and losses 0, 1: means 1 and 0.5
    assert rsi.value == pytest.approx(100 * 1 / 1.5)
    rsi.update(14)
    # gain (1 + 3) / 2 = 2, loss 0.5 / 2 = 0.25
    assert rsi.value == pytest.approx(100 * 2 / 2.25)


def test_rsi_of_a_market_that_stands_still_is_zero():
    rsi = Rsi(2)
    for _ in range(5):
        rsi.update(10)
    assert rsi.value == 0


def test_atr_averages_true_ranges_gaps_included():
    atr = Atr(2)
    atr.update(10, 8, 9)
    atr.update(11, 10, 10)  # 11 - 9 = 2 over the gap
    atr.update(10, 6, 8)  # 4
    assert atr.value == 3
    atr.update(9, 8, 9)  # 1: (3 + 1) / 2
    assert atr.value == 2


def test_adx_of_a_market_that_only_rises_is_one_hundred():
    adx = Adx(3)
    for n in range(6):
        assert not adx.is_ready
        adx.update(11 + n, 10 + n, 10.5 + n)
    assert adx.is_ready
    assert adx.value == pytest.approx(100)


def test_adx_is_the_smoothed_share_of_moves_in_one_direction():
    adx = Adx(2)
    adx.update(10, 8, 9)
    # up 2, down -1: +2; range 12 - 9 = 3
    adx.update(12, 9, 11)
    # up 0, down 3: -3; range 12 - 6 = 6. Sums: rise 2 x 1/2 + 0 = 1, fall 0 + 3 = 3, so 100 x 2 / 4 = 50
    adx.update(12, 6, 7)
    # up -1, down 1: -1; rise 1 / 2, fall 3 / 2 + 1 = 2.5: 100 x 2 / 3 = 66.7. The first two make the seed
    adx.update(11, 5, 6)
    assert adx.is_ready
    assert adx.value == pytest.approx((50 + 200 / 3) / 2)
    # up 4, down -1: +4; rise 1/4 + 4 = 4.25, fall 1.25: 100 x 3 / 5.5 = 54.5, and half of it is new
    adx.update(15, 6, 14)
    assert adx.value == pytest.approx(((50 + 200 / 3) / 2 + 300 / 5.5) / 2)


def moves(n: int) -> tuple[float, float, float]:
    close = 100 + (n * 37 % 11) / 3
    return close + 1 + n % 3, close - 1 - n % 2, close


@pytest.mark.parametrize(
    "make",
    [lambda: Ema(7), lambda: Macd.of(3, 7, 4), lambda: RecentValues(5), lambda: Bollinger.of(5, 2), lambda: Rsi(5)],
)
def test_indicators_of_closes_continue_over_a_restart_bit_for_bit(make: Any):
    whole, parts = make(), make()
    for n in range(200):
        _, _, close = moves(n)
        parts = restarted(parts)
        whole.update(close)
        parts.update(close)
    assert parts == whole


@pytest.mark.parametrize("make", [lambda: Atr(5), lambda: Adx(5)])
def test_indicators_of_bars_continue_over_a_restart_bit_for_bit(make: Any):
    whole, parts = make(), make()
    for n in range(200):
        parts = restarted(parts)
        whole.update(*moves(n))
        parts.update(*moves(n))
    assert parts == whole
