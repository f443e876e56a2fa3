"""Rounds of bars, closed bars over REST, and which bars may be traded on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from alpha.bot.bar_rounds import BarRounds
from alpha.bot.history import closed_bars, rounds_of
from alpha.bot.market_clock import MarketClock
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from tests.unit.bot.parts import BTC, ETH, FIVE_MINUTES, START, a_bar

AGE = timedelta(minutes=2)


class Klines:
    """Bars 1 to `count` after START, also the one that is still forming."""

    def __init__(self, count: int) -> None:
        self.bars = [a_bar(str(100 + n), n=n) for n in range(1, count + 1)]
        self.asked: list[tuple[datetime, datetime]] = []

    def klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:  # noqa: ARG002
        self.asked.append((start, end))
        return [bar for bar in self.bars if start <= bar.start < end]


def test_a_round_is_ready_when_all_symbols_are_there_in_their_own_order():
    rounds = BarRounds((BTC, ETH))
    assert rounds.add(a_bar("10", n=1, symbol=ETH))
    assert rounds.take_ready() == []
    assert rounds.add(a_bar("100", n=1))
    (ready,) = rounds.take_ready()
    assert [bar.symbol for bar in ready.bars] == [BTC, ETH]
    assert ready.missing == ()


def test_a_complete_round_overtakes_an_incomplete_one():
    rounds = BarRounds((BTC, ETH))
    rounds.add(a_bar("100", n=1))
    rounds.add(a_bar("100", n=2))
    rounds.add(a_bar("10", n=2, symbol=ETH))
    first, second = rounds.take_ready()
    assert (first.missing, second.missing) == ((ETH,), ())
    # and the bar that comes late is for observing only
    assert not rounds.add(a_bar("10", n=1, symbol=ETH))


def test_an_incomplete_round_can_be_taken_when_patience_ends():
    rounds = BarRounds((BTC, ETH))
    rounds.add(a_bar("100", n=1))
    oldest = rounds.oldest_waiting
    assert oldest == a_bar("100", n=1).end
    (taken,) = rounds.take_until(oldest)
    assert taken.missing == (ETH,)
    assert rounds.oldest_waiting is None


def test_a_bar_whose_end_is_in_the_future_does_not_exist():
    klines = Klines(3)
    until = START + 2 * FIVE_MINUTES + timedelta(minutes=4)
    assert [bar.end for bar in closed_bars(klines, BTC, FIVE_MINUTES, START, until)] == [
        START + FIVE_MINUTES,
        START + 2 * FIVE_MINUTES,
    ]


def test_nothing_is_asked_for_before_a_bar_can_have_closed():
    klines = Klines(3)
    assert closed_bars(klines, BTC, FIVE_MINUTES, START, START + timedelta(minutes=4)) == []
    assert klines.asked == []


def test_missed_bars_become_rounds_in_time_order():
    bars = {ETH: [a_bar("10", n=n, symbol=ETH) for n in (2, 3)], BTC: [a_bar("100", n=n) for n in (1, 2, 3)]}
    assert [[bar.symbol for bar in group] for group in rounds_of(bars, (BTC, ETH))] == [[BTC], [BTC, ETH], [BTC, ETH]]


@pytest.mark.parametrize(
    ("age_s", "newer_bar", "expected"),
    [(0, False, True), (120, False, True), (121, False, False), (0, True, False)],
)
def test_only_the_newest_bar_is_traded_on_and_only_while_it_is_young(age_s: int, newer_bar: bool, expected: bool):
    end = START + FIVE_MINUTES
    clock = MarketClock(is_paper=False, wall=lambda: end + timedelta(seconds=age_s))
    clock.saw_bar(end + FIVE_MINUTES if newer_bar else end)
    assert clock.may_trade_on(end, AGE) is expected


def test_on_paper_the_bars_tell_the_time():
    end = START + FIVE_MINUTES
    clock = MarketClock(is_paper=True, wall=lambda: end + timedelta(days=300))
    clock.saw_bar(end)
    assert clock.may_trade_on(end, AGE)
    # a bot that comes back long after the bar closed asks the exchange what time it is
    clock.saw_time(end + timedelta(minutes=3))
    assert not clock.may_trade_on(end, AGE)


@pytest.mark.parametrize(("is_paper", "seconds"), [(False, 70), (True, None)])
def test_between_two_bars_time_passes_on_a_real_market_only(is_paper: bool, seconds: int | None):
    end = START + FIVE_MINUTES
    clock = MarketClock(is_paper=is_paper, wall=lambda: end + timedelta(seconds=70))
    clock.saw_bar(end)
    assert clock.between_events() == (None if seconds is None else end + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("is_paper", "is_restart", "waits", "begins_before"),
    [
        (True, True, True, True),
        # the first bar of a new bot is decided on like any other
        (True, False, True, False),
        (True, True, False, False),
        # what is unprotected since a bar before would be closed at the first refusal of a stop
        (False, True, True, False),
    ],
)
def test_a_bot_starts_before_a_bar_it_has_to_decide_on_where_no_time_passes(
    is_paper: bool, is_restart: bool, waits: bool, begins_before: bool
):
    bar, now = a_bar("100"), START + timedelta(seconds=40)
    clock = MarketClock(is_paper=is_paper)
    found = clock.start_of(now, (bar,) if waits else None, is_restart=is_restart)
    assert found == (bar.start if begins_before else now)


def test_a_market_time_between_two_bars_does_not_age_the_newest_one_away():
    end = START + FIVE_MINUTES
    clock = MarketClock(is_paper=False, wall=lambda: end + timedelta(seconds=1))
    clock.saw_bar(end)
    clock.saw_time(end + timedelta(seconds=1))
    assert clock.may_trade_on(end, AGE)
