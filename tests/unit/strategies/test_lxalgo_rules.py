"""LXAlgo's two sets of rules: each rule once met and once not, computed by hand."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alpha.bot import Atr, Ema, Macd, RecentValues, Rsi
from alpha.bot.errors import BotError
from alpha.bot.loading import load_params
from alpha.bot.testing import a_bar
from strategies.lxalgo import LXAlgo
from strategies.lxalgo.eight_rules import RULES, EightRules
from strategies.lxalgo.parameters import LXAlgoParams
from strategies.lxalgo.pump_momentum import PumpMomentum

NOON = datetime(2025, 10, 14, 12, tzinfo=UTC)
HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)


def params(**changes: Any) -> LXAlgoParams:
    loaded = load_params(LXAlgo, changes)
    assert isinstance(loaded, LXAlgoParams)
    return loaded


EIGHT, PUMP = params().eight_rules, params().pump_momentum


# eight_rules.


def rules(
    *,
    close: float = 110,
    trend: float = 100,
    trend_count: int = 5000,
    gain: float = 6,
    volume: float = 2,
    histogram: float = 1,
    low: float = 105,
    high: float = 120,
    atr: float = 4,
    fast: float = 108,
    slow: float = 104,
    ten_ago: float = 109,
    swing_high: tuple[float, float] = (115, 116),
    swing_low: tuple[float, float] = (104, 106),
    count: int = 500,
) -> EightRules:
    """The swings are of the ten bars before the last ten and of the last ten, `low` and `high` extremes within the 20
    bars, `gain` the mean gain beside a mean loss of what is left to 10."""
    found = EightRules.of(EIGHT)
    found.count, found.first_close = count, 100
    found.trend = Ema(200, value=trend, count=trend_count)
    found.fast, found.slow = Ema(20, value=fast), Ema(50, value=slow)
    found.macd = Macd(Ema(12, value=5), Ema(26, value=2), Ema(9, value=3 - histogram))
    found.rsi = Rsi(14, gain=gain, loss=10 - gain)
    found.atr = Atr(14, value=atr)
    found.volumes = RecentValues(20, deque([(20 - volume) / 19] * 19 + [volume]))
    found.closes = RecentValues(11, deque([ten_ago] + [109] * 9 + [close]))
    highs = [110.0] + [swing_high[0]] * 10 + [swing_high[1]] * 10
    lows = [109.0] + [swing_low[0]] * 10 + [swing_low[1]] * 10
    highs[5], lows[3] = max(high, highs[5]), min(low, lows[3])
    highs[-1] = max(highs[-1], close + 1)
    found.highs, found.lows = RecentValues(21, deque(highs)), RecentValues(21, deque(lows))
    return found


def met(found: EightRules) -> set[str]:
    return set(found.met(EIGHT))


def test_all_eight_can_hold_at_once():
    # the highest high before the current bar is 116: a close of 117 breaks it
    assert met(rules(high=0, close=117)) == set(RULES)


@pytest.mark.parametrize(("close", "held"), [(100.0, False), (100.1, True)])
def test_the_close_is_above_the_long_average(close: float, held: bool):
    assert ("trend" in met(rules(close=close))) is held


@pytest.mark.parametrize(("seen", "held"), [(100, False), (2000, True)])
def test_what_a_longer_history_could_change_is_not_above(seen: int, held: bool):
    # after 100 bars the seed of 100 still has (199 / 201) ^ 99 = 37 % of the average: 110 is not surely above 100
    assert ("trend" in met(rules(trend_count=seen))) is held


@pytest.mark.parametrize(("gain", "held"), [(4.9, False), (5, True), (7, True), (7.1, False)])
def test_the_rsi_is_from_fifty_to_seventy(gain: float, held: bool):
    assert ("rsi" in met(rules(gain=gain))) is held


@pytest.mark.parametrize(("volume", "held"), [(1.5, False), (1.6, True)])
def test_the_volume_is_over_one_and_a_half_times_its_mean(volume: float, held: bool):
    assert ("volume" in met(rules(volume=volume))) is held


# 19 volumes of 100 and this one: means of 102.7 and 102.75, once and a half of them 154.05 and 154.125
@pytest.mark.parametrize(("volume", "held"), [(154, False), (155, True)])
def test_the_mean_volume_is_that_of_the_bars_and_not_one(volume: float, held: bool):
    found = rules()
    found.volumes = RecentValues(20, deque([100.0] * 19 + [volume]))
    assert ("volume" in met(found)) is held


@pytest.mark.parametrize(("histogram", "held"), [(-0.1, False), (0, False), (0.1, True)])
def test_the_macd_is_above_its_signal(histogram: float, held: bool):
    assert ("macd" in met(rules(histogram=histogram))) is held


@pytest.mark.parametrize(
    ("close", "low", "atr", "held"),
    [
        (110, 104, 4, True),  # 6 above the support, 1.5 x 4 = 6
        (110.5, 104, 4, False),
        (110, 100, 4, False),  # a lower support
        (110, 100, 7, True),  # a wider range
        (120, 104, 4, False),  # at the high of the 20 bars before
        (120.1, 104, 4, True),  # a break of it
    ],
)
def test_the_close_is_near_the_support_or_breaks_the_high(close: float, low: float, atr: float, held: bool):
    assert ("support_or_break" in met(rules(close=close, low=low, atr=atr))) is held


@pytest.mark.parametrize(("at", "held"), [(0, False), (1, False), (18, False), (19, False), (20, True)])
def test_what_is_broken_is_the_high_of_the_twenty_bars_before(at: int, held: bool):
    """The highest high is `at` of the newest 21: that of the bar itself is no resistance."""
    found = rules(close=120, low=100)
    highs = [110.0] * 21
    highs[at] = 125
    found.highs = RecentValues(21, deque(highs))
    assert ("support_or_break" in met(found)) is held


@pytest.mark.parametrize(("at", "held"), [(0, True), (1, False), (20, False)])
def test_the_support_is_the_low_of_the_newest_twenty_bars(at: int, held: bool):
    # a low of 103 is 7 below the close, further than 1.5 x 4, and the other lows are near
    found = rules(close=110, atr=4)
    lows = [109.0] * 21
    lows[at] = 103
    found.lows = RecentValues(21, deque(lows))
    assert ("support_or_break" in met(found)) is held


@pytest.mark.parametrize(("fast", "held"), [(104, False), (104.1, True)])
def test_the_short_average_is_above_the_middle_one(fast: float, held: bool):
    assert ("averages" in met(rules(fast=fast))) is held


@pytest.mark.parametrize(("ten_ago", "held"), [(110, False), (109.9, True)])
def test_the_close_is_above_that_of_ten_bars_ago(ten_ago: float, held: bool):
    assert ("change" in met(rules(ten_ago=ten_ago))) is held


@pytest.mark.parametrize(
    ("swing_high", "swing_low", "held"),
    [
        ((115, 116), (104, 106), True),
        ((115, 115), (104, 106), False),  # no higher high
        ((115, 116), (104, 104), False),  # no higher low
    ],
)
def test_a_higher_high_and_a_higher_low(swing_high: tuple[float, float], swing_low: tuple[float, float], held: bool):
    assert ("swings" in met(rules(high=0, low=200, swing_high=swing_high, swing_low=swing_low))) is held


# of 21 bars the first is in neither swing, 1 to 10 are the swing before and 11 to 20 the last one
@pytest.mark.parametrize(("at", "held"), [(0, True), (1, False), (10, False), (11, True), (20, True)])
def test_a_highest_high_counts_in_its_own_swing(at: int, held: bool):
    found = rules()
    highs, lows = [100.0] * 11 + [101.0] * 10, [90.0] * 11 + [91.0] * 10
    highs[at] = 200
    found.highs, found.lows = RecentValues(21, deque(highs)), RecentValues(21, deque(lows))
    assert ("swings" in met(found)) is held


@pytest.mark.parametrize(("at", "held"), [(0, False), (1, True), (10, True), (11, False), (20, False)])
def test_a_lowest_low_counts_in_its_own_swing(at: int, held: bool):
    # lows of 95 before and 93 now are none higher, except where a low of 90 was in the swing before
    found = rules()
    highs, lows = [100.0] * 11 + [101.0] * 10, [95.0] * 11 + [93.0] * 10
    lows[at] = 90
    found.highs, found.lows = RecentValues(21, deque(highs)), RecentValues(21, deque(lows))
    assert ("swings" in met(found)) is held


@pytest.mark.parametrize(("swing_bars", "kept"), [(10, 21), (15, 30)])
def test_so_many_bars_are_kept_as_the_longest_rule_looks_at(swing_bars: int, kept: int):
    found = EightRules.of(params(eight_rules={"swing_bars": swing_bars}).eight_rules)
    assert (found.highs.length, found.lows.length) == (kept, kept)


@pytest.mark.parametrize(("count", "ready"), [(499, False), (500, True)])
def test_five_hundred_bars_are_seen_first(count: int, ready: bool):
    assert rules(count=count).ready(EIGHT) is ready


def test_the_windows_are_those_of_the_newest_bars():
    found = EightRules.of(EIGHT)
    for n in range(40):
        found.update(a_bar(100 + n, end=NOON + n * HOUR, interval=HOUR, high=101 + n, low=98 + n, volume=1 + n))
    assert found.count == 40
    assert list(found.closes.values) == [129 + n for n in range(11)]
    assert (found.highs.first, found.lows.first) == (101 + 19, 98 + 19)
    assert found.volumes.mean == pytest.approx(sum(range(21, 41)) / 20)
    assert found.first_close == 100
    averages = (found.trend, found.fast, found.slow, found.macd.fast, found.macd.slow, found.macd.signal, found.atr)
    assert {each.count for each in averages} == {40}
    # each bar reaches from 1 above its close to 2 below it, and the close before is within: a true range of 3
    assert found.atr.value == pytest.approx(3)
    # a market that only rises: no loss, so its RSI is 100 and not within 50 to 70
    assert found.rsi.value == 100
    assert met(found) >= {"averages", "change", "swings"}
    assert "rsi" not in met(found)


# pump_momentum.


def pump(
    *,
    close: float = 110,
    gate_open: float = 100,
    gain: float = 7,
    volume: float = 20,
    volume_before: float = 10,
    high: float = 111,
    low: float = 109,
    before: float = 100,
    step_percent: float = 1,
    count: int = 150,
) -> PumpMomentum:
    """The gate is passed and all five points are made. The closes alternate by about `step_percent`, so that their
    returns deviate by about half of it or a whole; `before` is the close of 144 bars ago."""
    found = PumpMomentum.of(PUMP, FIVE_MINUTES)
    found.count, found.high, found.low = count, high, low
    found.rsi = Rsi(84, gain=gain, loss=10 - gain)
    found.opens = RecentValues(13, deque([gate_open] + [0.0] * 12))
    middle = [close * (1 + (step_percent / 100 if n % 2 else 0)) for n in range(143)]
    found.closes = RecentValues(145, deque([before, *middle, close]))
    found.volumes = RecentValues(145, deque([volume_before] + [0.0] * 143 + [volume]))
    return found


@pytest.mark.parametrize(("close", "passed"), [(107.9, None), (108, "rule_8"), (108.1, "rule_8")])
def test_the_gate_wants_eight_percent_over_twelve_bars(close: float, passed: str | None):
    assert pump(close=close).signal(PUMP) == passed


@pytest.mark.parametrize(("count", "passed"), [(149, None), (150, "rule_8")])
def test_a_hundred_and_fifty_bars_are_seen_first(count: int, passed: str | None):
    assert pump(count=count).signal(PUMP) == passed


NO_POINT: dict[str, float] = {
    "gain": 6,  # an RSI of 60 is not above it
    "volume": 15,  # 50 % more is not over 50 %
    "high": 112.85,  # 3.5 % of 110: no point, and still below 4 %
    "before": 104.8,  # 4.96 % below 110
    "step_percent": 0.1,
}


@pytest.mark.parametrize(
    "point",
    [
        {"gain": 6.1},
        {"volume": 15.1},
        {"high": 112.2},  # (112.2 - 109) / 110 = 2.9 %
        {"before": 104.7},  # 5.06 %
        {"step_percent": 1.0},
    ],
)
def test_each_of_five_points_counts_by_itself(point: dict[str, float]):
    assert pump(**NO_POINT).score(PUMP) == 0  # type: ignore[arg-type]
    assert pump(**(NO_POINT | point)).score(PUMP) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "at_its_bound",
    [
        {"high": 103.0, "low": 100.0},  # a range of 3 % of 100
        {"before": 100 / 1.05},  # 5 % more
    ],
)
def test_no_point_is_made_at_its_bound(at_its_bound: dict[str, float]):
    bounds: dict[str, Any] = {"close": 100, "high": 103.5, "low": 100, "before": 99, "gate_open": 90}
    assert pump(**(NO_POINT | bounds | at_its_bound)).score(PUMP) == 0  # type: ignore[arg-type]


def test_five_points_can_be_made_at_once():
    assert pump().score(PUMP) == 5


@pytest.mark.parametrize(
    ("points", "signal"),
    [({"volume": 15.1}, None), ({"volume": 15.1, "before": 104.0}, "rule_8")],
)
def test_rule_eight_needs_two_points(points: dict[str, float], signal: str | None):
    assert pump(**(NO_POINT | points)).signal(PUMP) == signal  # type: ignore[arg-type]


# (high - 109) / 110: 4.36 % and 3.91 %
@pytest.mark.parametrize(("high", "signal"), [(113.8, None), (113.3, "rule_8")])
def test_rule_eight_needs_a_range_below_four_percent(high: float, signal: str | None):
    assert pump(high=high, gain=5).signal(PUMP) == signal


# 4 of 100 are not below 4 %
@pytest.mark.parametrize(("high", "signal"), [(104.0, None), (103.9, "rule_8")])
def test_a_range_of_four_percent_is_too_much(high: float, signal: str | None):
    assert pump(close=100, gate_open=90, high=high, low=100, before=90, gain=5).signal(PUMP) == signal


@pytest.mark.parametrize(
    ("gain", "step_percent", "signal"),
    [(5.6, 1, "rule_6"), (5.5, 1, None), (5.6, 0.5, None)],
)
def test_rule_six_needs_rsi_and_deviation(gain: float, step_percent: float, signal: str | None):
    # a range of 10 % keeps rule 8 out
    assert pump(high=120, before=108, gain=gain, step_percent=step_percent).signal(PUMP) == signal


def test_measures_are_in_percent():
    found = pump(step_percent=1)
    assert found.move_percent == pytest.approx(10)
    assert found.range_percent == pytest.approx(200 / 110)
    assert found.price_change_percent == pytest.approx(10)
    assert found.volume_change_percent == pytest.approx(100)
    # returns of about +1 % and -1 % in turn deviate by 1 %, with the first one of 10 % a little more
    assert 0.9 < found.deviation_percent < 1.4


def test_the_deviation_is_that_of_the_returns_from_bar_to_bar():
    found = pump()
    found.closes = RecentValues(4, deque([100.0, 110.0, 99.0, 108.9]))
    # +10 %, -10 %, +10 %: mean 3.33 %, squares 44.4 + 177.8 + 44.4, a third of them 88.9
    assert found.deviation_percent == pytest.approx((800 / 9) ** 0.5)


def test_every_bar_is_taken_into_the_rsi_and_counted():
    found = PumpMomentum.of(PUMP, FIVE_MINUTES)
    for n in range(100):
        found.update(a_bar(100 + (2 if n % 2 else 0), end=NOON + n * FIVE_MINUTES))
    assert (found.count, found.rsi.count) == (100, 100)
    # as much up as down
    assert found.rsi.value == pytest.approx(50, abs=1)


def test_volume_out_of_nothing_is_no_change():
    assert pump(volume_before=0).volume_change_percent == 0


def test_twelve_bars_ago_is_the_bar_twelve_before_the_current_one():
    found = PumpMomentum.of(PUMP, FIVE_MINUTES)
    for n in range(200):
        found.update(a_bar(101 + n, open=100 + n, end=NOON + n * FIVE_MINUTES, volume=1 + n))
    # the current bar is n = 199: 12 before it n = 187 opened at 287; 144 before it n = 55 closed at 156
    assert found.opens.first == 287
    assert (found.closes.first, found.close) == (156, 300)
    assert (found.volumes.first, found.volumes.values[-1]) == (56, 200)


def test_the_turnover_is_that_of_a_day():
    found = PumpMomentum.of(PUMP, FIVE_MINUTES)
    for n in range(300):
        found.update(a_bar(100, end=NOON + n * FIVE_MINUTES, volume=2))
    assert found.day_turnover == 288 * 200


# Parameters.


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"eight_rules": {"bar_hours": [4, 1]}}, "shortest to the longest"),
        ({"eight_rules": {"rsi_from": 80}}, "rsi_from must be below"),
        ({"eight_rules": {"minimum_bars": 10}}, "minimum_bars must be"),
        ({"eight_rules": {"fast_ema_bars": 60}}, "shorter than the slow"),
        ({"pump_momentum": {"minimum_bars": 144}}, "minimum_bars must be"),
        ({"break_even_plus_percent": 9}, "break_even_plus_percent"),
        ({"weekly_half_size_loss_percent": 7}, "weekly_half_size_loss_percent"),
        ({"profile": "nine_rules"}, "profile"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(changes: dict[str, Any], says: str):
    with pytest.raises(BotError, match=says):
        params(**changes)
