from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet, table

from alpha.candles.check import check_store
from alpha.candles.download import download, download_funding, missing_periods
from alpha.candles.errors import CandleConflict, CandlesUnavailable
from alpha.candles.importing import read_recording
from alpha.candles.months import MonthFiles
from alpha.candles.store import CandleStore
from alpha.domain.bar import Bar
from alpha.domain.clock import to_ms
from tests.unit.bot.parts import BTC, a_bar

HOUR = timedelta(hours=1)
START = datetime(2025, 1, 31, 20, tzinfo=UTC)


def columns(hours: Sequence[int], price: float = 100.0) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    starts = np.array([to_ms(START + n * HOUR) for n in hours], dtype=np.int64)
    flat = np.full(len(starts), price)
    return {"ts_ms": starts, "open": flat, "high": flat, "low": flat, "close": flat, "volume": flat}


class Exchange:
    """Has a bar for every hour before `until`, and gives up after so many requests."""

    def __init__(self, until: datetime, requests: int = 1000) -> None:
        self.until = until
        self.left = requests
        self.asked: list[tuple[datetime, datetime]] = []

    def klines(self, start: datetime, end: datetime) -> list[Bar]:
        if not self.left:
            raise ConnectionError("away")
        self.left -= 1
        self.asked.append((start, end))
        bars = []
        at = start
        while at < min(end, self.until):
            made = a_bar("100")
            bars.append(
                Bar(
                    symbol=BTC,
                    interval=HOUR,
                    start=at,
                    open=made.open,
                    high=made.high,
                    low=made.low,
                    close=made.close,
                    volume=made.volume,
                    turnover=made.turnover,
                )
            )
            at += HOUR
        return bars


def test_months_are_files_of_their_own_and_come_back_as_one_series(tmp_path: Path):
    files = MonthFiles(tmp_path)
    files.add(BTC, "1h", columns(range(8)))
    assert [path.name for path in files.paths(BTC, "1h")] == ["2025-01.parquet", "2025-02.parquet"]
    series = CandleStore(tmp_path).series(BTC, "1h")
    assert (series.first, series.end, len(series.segments())) == (START, START + 8 * HOUR, 1)


def test_a_row_that_comes_again_must_say_the_same_or_nothing_is_taken_in(tmp_path: Path):
    files = MonthFiles(tmp_path)
    files.add(BTC, "1h", columns(range(8)))
    files.add(BTC, "1h", columns(range(9)))
    changed = columns(range(12))
    changed["close"] = np.where(changed["ts_ms"] == changed["ts_ms"][6], 200.0, 100.0)
    with pytest.raises(
        CandleConflict, match=r"2025-02.parquet: the close of 2025-02-01 02:00 UTC is 100.0 there and 200"
    ):
        files.add(BTC, "1h", changed)
    assert len(CandleStore(tmp_path).series(BTC, "1h")) == 9


def test_mark_prices_have_no_volume_and_agree_all_the_same(tmp_path: Path):
    files = MonthFiles(tmp_path)
    marks = {**columns(range(3)), "volume": np.full(3, np.nan)}
    files.add(BTC, "mark-1h", marks)
    files.add(BTC, "mark-1h", marks)
    with pytest.raises(CandleConflict, match="the volume of"):
        files.add(BTC, "mark-1h", columns(range(3)))


def test_a_row_that_comes_again_replaces_the_one_there_on_purpose(tmp_path: Path):
    files = MonthFiles(tmp_path)
    files.add(BTC, "1h", columns(range(3)))
    files.add(BTC, "1h", columns([1], price=200.0), replace=True)
    assert CandleStore(tmp_path).series(BTC, "1h").close.tolist() == [100, 200, 100]


def test_what_is_missing_is_what_is_not_stored():
    stored = columns([1, 2, 5])["ts_ms"]
    assert missing_periods(stored, HOUR, START, START + 7 * HOUR) == [
        (START, START + HOUR),
        (START + 3 * HOUR, START + 5 * HOUR),
        (START + 6 * HOUR, START + 7 * HOUR),
    ]


def test_a_download_that_was_interrupted_goes_on_where_it_was(tmp_path: Path):
    files, end = MonthFiles(tmp_path), START + 2500 * HOUR
    first = Exchange(end, requests=2)
    done: list[int] = []
    with pytest.raises(ConnectionError):
        download(first.klines, files, BTC, "1h", HOUR, START, end, stored=done.append)
    assert done == [1000, 1000]
    again = Exchange(end)
    assert download(again.klines, files, BTC, "1h", HOUR, START, end, stored=done.append) == 500
    assert again.asked == [(START + 2000 * HOUR, end)]
    assert len(CandleStore(tmp_path).series(BTC, "1h")) == 2500


def test_funding_is_fetched_before_and_after_what_is_there(tmp_path: Path):
    files, asked = MonthFiles(tmp_path), []

    def fetch(start: datetime, end: datetime):  # type: ignore[no-untyped-def]
        asked.append((start, end))
        return [(start, start.hour and 0.0001)]

    middle = START + 10 * HOUR
    download_funding(fetch, files, BTC, middle, middle + HOUR)
    download_funding(fetch, files, BTC, START, middle + 20 * HOUR)
    assert asked[1] == (START, middle)
    assert asked[2][1] == middle + 20 * HOUR
    rates = CandleStore(tmp_path).funding(BTC)
    assert rates is not None
    assert len(rates.times_ms) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ts_ms,open,high,low,close,volume\n1738353600000,1,2,1,2,5\n", [1738353600000]),
        ("timestamp,open,high,low,close,volume\n1738353600,1,2,1,2,5\n", [1738353600000]),
        ("Date,Open,High,Low,Close,Volume\n2025-01-31 20:00:00,1,2,1,2,5\n", [1738353600000]),
    ],
)
def test_recordings_of_others_are_read_whatever_they_call_their_times(tmp_path: Path, text: str, told: list[int]):
    (path := tmp_path / "them.csv").write_text(text)
    assert read_recording(path, HOUR)["ts_ms"].tolist() == told


def test_a_recording_without_a_column_is_refused_by_name(tmp_path: Path):
    (path := tmp_path / "them.csv").write_text("ts_ms,open,high,low,close\n1,1,2,1,2\n")
    with pytest.raises(CandlesUnavailable, match="has no column for volume"):
        read_recording(path, HOUR)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "it holds no candle"),
        ("1738354500000,1,2,1,2,5\n", "1 candles do not open on a multiple of the interval, first 2025-01-31 20:15"),
        ("99999999999999999,1,2,1,2,5\n", "1 candles have a time outside of 1970 to 2100"),
        ("-3600000,1,2,1,2,5\n", "1 candles have a time outside of 1970 to 2100"),
        (",1,2,1,2,5\n1738353600000,1,2,1,2,5\n", "its times have empty cells"),
        ("1738353600000,1,1,2,1,5\n", "1 candles have a low above open or close, first 2025-01-31 20:00"),
        ("1738353600000,1,inf,1,1,5\n", "1 candles have a price that is no number"),
        (
            "1738353600000,1,1,1,1,5\n1738368000000,1,1,1,1,5\n",
            "at least 4:00:00 apart, and are said to be 1:00:00 long",
        ),
    ],
)
def test_candles_that_cannot_be_are_not_taken_in(tmp_path: Path, rows: str, message: str):
    (path := tmp_path / "them.csv").write_text("ts_ms,open,high,low,close,volume\n" + rows)
    with pytest.raises(CandlesUnavailable) as refused:
        read_recording(path, HOUR)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", np.nan, "1 candles have a price that is no number or not above 0, first 2025-01-31 21:00 UTC"),
        ("high", 50.0, "1 candles have a high below open or close, first 2025-01-31 21:00 UTC"),
        ("volume", np.nan, "it has candles without a volume"),
        ("ts_ms", 1 << 60, "1 candles have a time outside of 1970 to 2100"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_read_naming_the_file(
    tmp_path: Path, column: str, value: float, message: str
):
    rows = columns(range(3))
    rows[column] = rows[column].copy()
    rows[column][1] = value
    path = tmp_path / "theirs-BTCUSDT-1h.parquet"
    parquet.write_table(table(rows), path)
    with pytest.raises(CandlesUnavailable) as refused:
        CandleStore(tmp_path).series(BTC, "1h")
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert [each for each in check_store(CandleStore(tmp_path)) if each.problems]


def test_a_recording_of_nothing_is_refused(tmp_path: Path):
    parquet.write_table(table(columns([])), tmp_path / "theirs-BTCUSDT-1h.parquet")
    with pytest.raises(CandlesUnavailable, match=r"theirs-BTCUSDT-1h.parquet holds no candle"):
        CandleStore(tmp_path).series(BTC, "1h")


def test_a_recording_that_contradicts_itself_is_refused(tmp_path: Path):
    row = "1738353600000,1,2,1,{},5\n"
    (path := tmp_path / "them.csv").write_text("ts_ms,open,high,low,close,volume\n" + row.format(1) + row.format(2))
    with pytest.raises(CandleConflict, match="twice with different close"):
        read_recording(path, HOUR)


def test_a_check_finds_gaps_doubles_bad_bars_and_times_off_the_grid(tmp_path: Path):
    files = MonthFiles(tmp_path)
    rows = columns([0, 1, 1, 5, 6])
    rows["high"] = np.array([100.0, 90.0, 100.0, 100.0, np.nan])
    rows["low"] = np.array([100.0, 100.0, 100.0, 0.0, 100.0])
    rows["ts_ms"][4] += 60_000
    files.add(BTC, "1h", rows)
    problems = [problem for each in check_store(CandleStore(tmp_path)) for problem in each.problems]
    for expected in (
        "1 candles are there twice, first 2025-01-31 21:00",
        "1 candles have a high below open or close, first 2025-01-31 21:00",
        "2 candles have a price that is no number or not above 0, first 2025-02-01 01:00",
        "1 candles do not open on a multiple of the interval, first 2025-02-01 02:01",
    ):
        assert expected in problems


def test_a_check_names_gaps_and_passes_what_is_whole(tmp_path: Path):
    MonthFiles(tmp_path).add(BTC, "1h", columns([0, 1, 4]))
    problems = [problem for each in check_store(CandleStore(tmp_path)) for problem in each.problems]
    assert problems == ["no candles from 2025-01-31 22:00 to 2025-02-01 00:00 (2)"]
    MonthFiles(tmp_path).add(BTC, "1h", columns([2, 3]))
    assert not [each for each in check_store(CandleStore(tmp_path)) if each.problems]


def test_a_check_tells_files_that_disagree(tmp_path: Path):
    MonthFiles(tmp_path).add(BTC, "1h", columns([0, 1]))
    parquet.write_table(table(columns([1, 2], price=101.0)), tmp_path / "bybit_linear_other-BTCUSDT-1h.parquet")
    problems = [problem for each in check_store(CandleStore(tmp_path)) for problem in each.problems]
    assert len(problems) == 1
    assert "disagree on the open of 1 candles, first at 2025-01-31 21:00" in problems[0]
