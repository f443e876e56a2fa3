from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.candles.store import CandleStore
from alpha.domain.ids import Symbol
from paper_exchange.engine import OrderBook
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.klines import INTERVALS, Klines
from paper_exchange.market.replay import ReplayMarket
from paper_exchange.market.tickers import ticker
from tests.unit.market.markets import T0, record

BTC = Symbol("BTCUSDT")
FIVE, HOUR = timedelta(minutes=5), timedelta(hours=1)
HOURS = INTERVALS["60"]
NO_BOOK = OrderBook((), (), 0, 0)


@pytest.fixture
def market(tmp_path: Path) -> ReplayMarket:
    """Closes 100, 101, 102, ... from midnight; each candle opens at the close before it."""
    record(tmp_path, "bybit_linear_a", BTC, [100.0 + number for number in range(600)])
    return ReplayMarket(load_listings([BTC]), CandleStore(tmp_path), warm_up_bars=12)


def klines_at(market: ReplayMarket, now: datetime) -> Klines:
    return Klines(market, lambda: now)


def test_nothing_of_the_future_is_shown(market: ReplayMarket) -> None:
    candles = klines_at(market, T0 + HOUR).between(BTC, INTERVALS["5"], limit=1000)
    assert len(candles) == 13
    assert (candles[0].bar.start, candles[0].is_closed) == (T0 + HOUR, False)
    # the twelfth candle closed at 111, where the open one stands
    assert {candles[0].bar.open, candles[0].bar.high, candles[0].bar.low, candles[0].bar.close} == {Decimal(111)}
    assert (candles[1].bar.close, candles[1].is_closed) == (Decimal(111), True)


def test_an_hour_is_the_sum_of_its_bars(market: ReplayMarket) -> None:
    hour = klines_at(market, T0 + 2 * HOUR).between(BTC, HOURS, limit=2)[1]
    bar = hour.bar
    assert hour.is_closed
    # bars 12-23: opens at the close of bar 11, closes with bar 23
    assert bar.start == T0 + HOUR
    assert [bar.open, bar.high, bar.low, bar.close] == [111, 123, 111, 123]
    assert bar.volume == 12 * 2


def test_an_open_hour_holds_what_has_happened_so_far(market: ReplayMarket) -> None:
    klines = klines_at(market, T0 + HOUR + 3 * FIVE)
    (so_far,) = klines.closing_between(BTC, HOURS, T0 + HOUR + 2 * FIVE)
    assert not so_far.is_closed
    assert so_far.bar.close == 114
    (closed,) = klines_at(market, T0 + 2 * HOUR).closing_between(BTC, HOURS, T0 + 2 * HOUR - FIVE)
    assert closed.is_closed


def test_minutes_are_cut_from_a_bar_along_its_path(market: ReplayMarket) -> None:
    # given the bar from 13:00 to 13:05 that opens at 111 and closes at 112, which are its extremes too:
    # the path is 111 at 0 s (also its low, at 100 s), 112 at 200 s (its high) and still 112 at the end
    klines = klines_at(market, T0 + HOUR + FIVE)
    minutes = klines.closing_between(BTC, INTERVALS["1"], T0 + HOUR)
    # then it rises by a hundredth each second from 100 s on, with two fifths of a contract in each minute
    assert [str(candle.bar.close) for candle in minutes] == ["111.00", "111.20", "111.80", "112.00", "112.00"]
    assert [candle.bar.open for candle in minutes[1:]] == [candle.bar.close for candle in minutes[:-1]]
    assert sum(candle.bar.volume for candle in minutes) == 2
    assert all(candle.is_closed for candle in minutes)


def test_three_minutes_span_two_bars_and_weeks_begin_on_monday(market: ReplayMarket) -> None:
    klines = klines_at(market, T0 + timedelta(days=1))
    threes = klines.between(BTC, INTERVALS["3"], start=T0 + HOUR, end=T0 + HOUR + FIVE, limit=10)
    assert [candle.bar.start - T0 - HOUR for candle in threes] == [timedelta(minutes=3), timedelta()]
    # the second opens inside the bar to 13:05 and closes inside the next one, on its rise from 112 to 113
    assert (threes[0].bar.open, threes[0].bar.close) == (Decimal("111.8"), Decimal("112.00"))
    assert INTERVALS["W"].floor(T0) == datetime(2024, 12, 30, tzinfo=UTC)
    assert INTERVALS["M"].shift(INTERVALS["M"].floor(T0), -1) == datetime(2024, 12, 1, tzinfo=UTC)


def test_the_mark_of_a_candle_is_the_price_at_the_basis_of_the_bar_before(market: ReplayMarket) -> None:
    # no mark was recorded, so it is the close and the basis nothing
    klines = klines_at(market, T0 + 2 * HOUR)
    last, mark = (klines.between(BTC, HOURS, limit=2, kind=kind)[1].bar for kind in ("last", "mark"))
    assert (mark.open, mark.high, mark.low, mark.close) == (last.open, last.high, last.low, last.close)
    assert mark.volume == 0


def test_an_incomplete_first_candle_is_not_shown(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.0] * 60, start=T0 + 5 * FIVE)
    market = ReplayMarket(load_listings([BTC]), CandleStore(tmp_path), warm_up_bars=12)
    hours = klines_at(market, T0 + 3 * HOUR).between(BTC, HOURS, limit=10)
    assert [candle.bar.start for candle in hours] == [T0 + 3 * HOUR, T0 + 2 * HOUR, T0 + HOUR]


def test_windows_and_limits(market: ReplayMarket) -> None:
    klines = klines_at(market, T0 + 4 * HOUR)

    def starts(start: datetime | None = None, end: datetime | None = None) -> list[timedelta]:
        return [candle.bar.start - T0 for candle in klines.between(BTC, HOURS, start=start, end=end, limit=2)]

    assert starts() == [4 * HOUR, 3 * HOUR]
    assert starts(start=T0) == [HOUR, timedelta()]
    assert starts(end=T0 + 2 * HOUR) == [2 * HOUR, HOUR]
    # between two candle starts: the first one after, the last one before
    assert starts(start=T0 + FIVE, end=T0 + 2 * HOUR + FIVE) == [2 * HOUR, HOUR]
    assert starts(start=T0 + 9 * HOUR) == []
    assert starts(end=T0 - HOUR) == []


def test_the_ticker_looks_back_a_day(market: ReplayMarket) -> None:
    shown = ticker(market, load_listings([BTC])[BTC], T0 + timedelta(days=1, hours=1), book=NO_BOOK)
    # 300 bars have closed: the last at 399, and the day before now opened at the close of bar 11
    assert [shown.last, shown.previous_24h, shown.high_24h, shown.low_24h] == [399, 111, 399, 111]
    assert shown.previous_1h == 387
    assert shown.volume_24h == 288 * 2
    assert shown.next_funding == T0 + timedelta(days=1, hours=8)
