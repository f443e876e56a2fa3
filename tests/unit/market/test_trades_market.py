"""Recorded public trades as a market."""

from __future__ import annotations

import gzip
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from alpha.domain.ids import Symbol
from paper_exchange.market.instruments import load_listings
from paper_exchange.market.klines import INTERVALS, Klines
from paper_exchange.market.source import MarketUnavailable
from paper_exchange.market.trades import TradesMarket

BTC = Symbol("BTCUSDT")
HEADER = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,RPI"
T0 = 1_735_689_600  # 2025-01-01 00:00 UTC
MINUTE = timedelta(minutes=1)


def line(second: float, side: str, size: str, price: str, trade_id: str) -> str:
    return f"{T0 + second:.4f},BTCUSDT,{side},{size},{price},PlusTick,{trade_id},1e9,{size},1,0"


LINES = [
    line(0, "Buy", "0.010", "100.0", "a"),  # the minute of history
    line(59.9, "Sell", "0.010", "101.0", "b"),
    line(60.1, "Buy", "0.002", "102.0", "c"),  # the first step: 102, 105, 103
    line(60.9, "Sell", "0.001", "103.0", "e"),
    line(60.5, "Buy", "0.003", "105.0", "d"),
    line(62.0, "Sell", "0.004", "99.5", "f"),  # the third; in the second nothing
]


def record(folder: Path, lines: list[str] = LINES) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "BTCUSDT2025-01-01.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *lines, ""]).encode()))
    return folder


def market_of(folder: Path) -> TradesMarket:
    return TradesMarket(load_listings([BTC]), folder, warm_up=MINUTE)


def test_the_trades_of_a_second_are_a_step(tmp_path: Path) -> None:
    market = market_of(record(tmp_path))
    first, second, third = (market.step(number) for number in range(3))
    assert market.step(3) is None
    assert first is not None
    assert second is not None
    assert third is not None
    bar = first.bars[BTC]
    assert (first.start, first.end) == (market.start, market.start + timedelta(seconds=1))
    assert [bar.open, bar.high, bar.low, bar.close] == [102, 105, 102, 103]
    # the book is made of the volume of five minutes: 0.020 of history and 0.006 of the step
    assert bar.volume == Decimal("0.026")
    assert [trade.trade_id for trade in first.trades[BTC]] == ["c", "d", "e"]
    still = second.bars[BTC]
    assert {still.open, still.high, still.low, still.close} == {Decimal(103)}
    assert (second.trades[BTC], third.bars[BTC].close) == ([], Decimal("99.5"))


def test_candles_hold_history_and_what_the_steps_have_shown(tmp_path: Path) -> None:
    market = market_of(record(tmp_path))
    now = market.start
    klines = Klines(market, lambda: now)
    assert klines.last_price(BTC) == 101
    for number in range(2):
        step = market.step(number)
        assert step is not None
        now = step.end
    opened, history = klines.between(BTC, INTERVALS["1"], limit=5)
    assert (opened.is_closed, opened.bar.high, opened.bar.volume) == (False, Decimal(105), Decimal("0.006"))
    assert (history.is_closed, history.bar.open, history.bar.close) == (True, Decimal(100), Decimal(101))
    (hour,) = klines.between(BTC, INTERVALS["5"], limit=1)
    assert [hour.bar.open, hour.bar.high, hour.bar.low, hour.bar.close] == [100, 105, 100, 103]


def test_steps_can_be_gone_through_again(tmp_path: Path) -> None:
    market = market_of(record(tmp_path))
    once = [market.step(number) for number in range(3)]
    rows = len(market.columns(BTC))
    again = [market.step(number) for number in range(3)]
    assert again == once
    assert len(market.columns(BTC)) == rows


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    csv = record(tmp_path / "csv")
    parquet = tmp_path / "parquet"
    parquet.mkdir()
    table = pyarrow.csv.read_csv(csv / "BTCUSDT2025-01-01.csv.gz")
    pyarrow.parquet.write_table(table, parquet / "BTCUSDT-2025-01-01.parquet")
    assert market_of(parquet).step(0) == market_of(csv).step(0)


@pytest.mark.parametrize(
    ("lines", "says"),
    [([], "no trades of BTCUSDT"), (LINES[:1], "no period in common"), (["x,y"], "no file of public")],
)
def test_what_cannot_be_played_says_why(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(MarketUnavailable, match=says):
        market_of(record(tmp_path, lines))


def test_a_symbol_without_a_file_is_named(tmp_path: Path) -> None:
    record(tmp_path)
    with pytest.raises(MarketUnavailable, match="no trades of ETHUSDT"):
        TradesMarket(load_listings([BTC, Symbol("ETHUSDT")]), tmp_path, warm_up=MINUTE)
