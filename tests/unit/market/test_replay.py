from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.candles.store import CandleStore, common_period
from alpha.domain.ids import Symbol
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.replay import ReplayMarket
from paper_exchange.market.source import MarketUnavailable
from tests.unit.market.markets import T0, real_candles, record, record_funding

BTC, ETH, SOL = Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT")
FIVE = timedelta(minutes=5)


def test_recordings_of_bybit_are_joined_and_go_before_others(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.0, 101.0, 102.0])
    # overlaps the last candle of the first: same open, high, low and close
    record(tmp_path, "bybit_linear_b", BTC, [102.0, 103.0], start=T0 + 3 * FIVE)
    record(tmp_path, "binance_um_c", BTC, [200.0] * 50)
    series = CandleStore(tmp_path).series(BTC, "5m")
    assert series.close.tolist() == [100.0, 101.0, 102.0, 102.0, 103.0]
    assert (series.first, series.end) == (T0, T0 + 5 * FIVE)


def test_overlaps_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.0, 101.0, 102.0])
    record(tmp_path, "bybit_linear_b", BTC, [100.0, 101.5])
    with pytest.raises(CandleConflict, match="disagree on the high of 1 candles, first at 2025-01-01 00:05"):
        CandleStore(tmp_path).series(BTC, "5m")


def test_without_bybit_the_longest_recording_is_used_alone(tmp_path: Path) -> None:
    record(tmp_path, "binance_um_a", BTC, [100.0, 101.0])
    record(tmp_path, "binance_um_b", BTC, [200.0, 201.0, 202.0])
    assert CandleStore(tmp_path).series(BTC, "5m").close.tolist() == [200.0, 201.0, 202.0]


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CandlesUnavailable, match="does not exist"):
        CandleStore(tmp_path / "nowhere")
    with pytest.raises(CandlesUnavailable, match="holds no files"):
        CandleStore(tmp_path)
    record(tmp_path, "bybit_linear_a", BTC, [100.0])
    with pytest.raises(CandlesUnavailable, match="no 5m candles of ETHUSDT"):
        CandleStore(tmp_path).series(ETH, "5m")
    (tmp_path / "bybit_linear_x-ETHUSDT-5m.parquet").write_bytes(b"not parquet")
    with pytest.raises(CandlesUnavailable, match="cannot be read as Parquet"):
        CandleStore(tmp_path).series(ETH, "5m")


def test_the_common_period_is_the_longest_without_a_gap_in_any_series(tmp_path: Path) -> None:
    # BTC: candles 0-9 and 20-59; ETH: 25-49
    record(tmp_path, "bybit_linear_a", BTC, [100.0] * 10)
    record(tmp_path, "bybit_linear_b", BTC, [100.0] * 40, start=T0 + 20 * FIVE)
    record(tmp_path, "bybit_linear_a", ETH, [10.0] * 25, start=T0 + 25 * FIVE)
    store = CandleStore(tmp_path)
    series = [store.series(symbol, "5m") for symbol in (BTC, ETH)]
    assert [len(segment) for segment in series[0].segments()] == [10, 40]
    assert common_period(series) == (T0 + 25 * FIVE, T0 + 50 * FIVE)


def test_a_replay_starts_behind_the_warm_up_and_ends_with_the_candles(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.0 + number for number in range(10)])
    record(tmp_path, "bybit_linear_a", ETH, [10.0] * 8, start=T0 + 2 * FIVE)
    market = ReplayMarket(load_listings([BTC, ETH]), CandleStore(tmp_path), warm_up_bars=5)
    assert market.start == T0 + 7 * FIVE
    steps = [market.step(index) for index in range(4)]
    assert [step and step.bars[BTC].close for step in steps] == [107, 108, 109, None]
    # the history of BTC reaches further back than that of ETH
    assert (market.columns(BTC).start, market.columns(ETH).start) == (T0, T0 + 2 * FIVE)


def test_prices_are_exact_and_turnover_is_volume_at_the_mean_price(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.1, 100.3], volume=0.3)
    step = ReplayMarket(load_listings([BTC]), CandleStore(tmp_path), warm_up_bars=1).step(0)
    assert step is not None
    bar = step.bars[BTC]
    assert (bar.open, bar.close, bar.volume) == (Decimal("100.1"), Decimal("100.3"), Decimal("0.3"))
    # 0.3 * (100.1 + 100.3 + 100.1 + 100.3) / 4
    assert bar.turnover == Decimal("30.06")


def test_the_mark_price_keeps_the_last_known_difference(tmp_path: Path) -> None:
    # two hours at 1000; the first hour's mark closed 1 % above the last trade
    record(tmp_path, "bybit_linear_a", BTC, [1000.0] * 24)
    record(tmp_path, "bybit_mark_a", BTC, [1010.0], interval="1h", step=timedelta(hours=1), volume=None)
    market = ReplayMarket(load_listings([BTC]), CandleStore(tmp_path), warm_up_bars=1)
    marks = [step.marks[BTC] for index in range(23) if (step := market.step(index))]
    # bars 1-10 close before the hour does, bar 11 with it
    assert marks == [1000] * 10 + [1010] * 13


def test_recorded_funding_is_due_at_its_instant(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [1000.0] * 200)
    record_funding(tmp_path, BTC, [T0 + timedelta(hours=8)], [0.000125])
    market = ReplayMarket(load_listings([BTC]), CandleStore(tmp_path), warm_up_bars=1)
    due = {step.start: step.funding for index in range(199) if (step := market.step(index)) and step.funding}
    assert due == {T0 + timedelta(hours=8): {BTC: Decimal("0.000125")}}


def test_too_little_history_is_said_in_one_line(tmp_path: Path) -> None:
    record(tmp_path, "bybit_linear_a", BTC, [100.0] * 10)
    with pytest.raises(MarketUnavailable, match="have 10 bars in common, and the warm-up alone needs 6000"):
        ReplayMarket(load_listings([BTC]), CandleStore(tmp_path))
    record(tmp_path, "bybit_linear_a", ETH, [100.0] * 10, start=T0 + 100 * FIVE)
    with pytest.raises(MarketUnavailable, match="no period in common"):
        ReplayMarket(load_listings([BTC, ETH]), CandleStore(tmp_path))


@pytest.mark.slow
def test_the_real_candles_start_where_each_symbol_has_its_warm_up() -> None:
    market = ReplayMarket(load_listings([BTC, ETH, SOL]), CandleStore(real_candles()))
    # SOL begins on 2025-09-24; 6,000 bars of 5 minutes are 20 days and 20 hours
    assert market.start == datetime(2025, 10, 14, 20, 0, tzinfo=UTC)
    # two recordings of BTC are one: the longer begins in January, the other ends in March
    assert market.columns(BTC).start == datetime(2025, 1, 1, tzinfo=UTC)
    first = market.step(0)
    assert first is not None
    assert set(first.bars) == {BTC, ETH, SOL}
    funded = [step for index in range(288) if (step := market.step(index)) and step.funding]
    assert [step.start.hour for step in funded] == [0, 8, 16]


def test_real_recordings_of_one_symbol_agree() -> None:
    store = CandleStore(real_candles())
    series = store.series(BTC, "5m")
    assert len(series.segments()) >= 1
    assert BTC in store.symbols("5m")
    # Bybit's highest trade of October 2025
    assert (
        float(series.between(datetime(2025, 10, 6, tzinfo=UTC), datetime(2025, 10, 7, tzinfo=UTC)).high.max())
        == 126150.0
    )
