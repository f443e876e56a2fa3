from __future__ import annotations

import pytest

from alpha.bot.indicators import Ema, RecentValues


def test_ema_by_hand():
    # length 3: weight 2 / 4 = 0.5. 10; 10 + (20 - 10) / 2 = 15; 15 + (11 - 15) / 2 = 13
    ema = Ema(length=3)
    assert [ema.update(price) for price in (10.0, 20.0, 11.0)] == [10.0, 15.0, 13.0]


def test_ema_continues_over_a_restart_bit_for_bit():
    ema, restarted = Ema(length=7), Ema(length=7)
    for n in range(500):
        price = 100 + (n * 37 % 11) / 3
        restarted = Ema.model_validate_json(restarted.model_dump_json())
        assert ema.update(price) == restarted.update(price)


def test_ten_times_the_length_makes_the_start_not_matter():
    prices = [100 + (n * 7919 % 1000) / 50 for n in range(12_000)]
    long, short = Ema(length=600), Ema(length=600)
    for price in prices:
        long.update(price)
    for price in prices[-6_000:]:
        short.update(price)
    assert long.value == pytest.approx(short.value, rel=1e-8)


def test_recent_values_keep_the_newest():
    recent = RecentValues(length=2)
    recent.update(1.0)
    assert not recent.is_full
    recent.update(2.0)
    recent.update(4.0)
    assert (recent.is_full, recent.values, recent.mean) == (True, [2.0, 4.0], 3.0)
