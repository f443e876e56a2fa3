"""`alpha candles download` from the paper exchange, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from alpha.candles.store import CandleStore
from alpha.commands.candles import candles
from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from tests.exchange_process import ExchangeProcess

BTC = Symbol("BTCUSDT")


def download(exchange: ExchangeProcess, folder: Path, start: str, end: str) -> Result:
    arguments = ["download", BTC, "--from", start, "--to", end, "--folder", str(folder), "--url", exchange.rest_url]
    return CliRunner().invoke(candles, arguments)


def test_a_download_is_what_the_exchange_has_and_a_second_one_asks_for_nothing(
    paper_exchange: ExchangeProcess, tmp_path: Path
):
    paper_exchange.admin.run(36)
    now = from_ms(paper_exchange.admin.state()["market_time"])
    start = now - timedelta(days=4)
    first = download(paper_exchange, tmp_path, start.isoformat(), now.isoformat())
    assert first.exit_code == 0, first.output
    assert f"{BTC}: 1,152 candles of 5m, 96 mark prices, 12 funding rates" in first.output
    series = CandleStore(tmp_path).series(BTC, "5m")
    assert (series.first, series.end, len(series.segments())) == (start, now, 1)
    again = download(paper_exchange, tmp_path, start.isoformat(), now.isoformat())
    assert f"{BTC}: 0 candles of 5m, 0 mark prices, 0 funding rates" in again.output
    checked = CliRunner().invoke(candles, ["check", "--candles", str(tmp_path)])
    assert checked.exit_code == 0, checked.output


def test_an_exchange_that_does_not_answer_is_one_line_and_exit_code_3(tmp_path: Path):
    arguments = ["download", BTC, "--from", "2025-01-01", "--folder", str(tmp_path), "--url", "http://127.0.0.1:9"]
    result = CliRunner().invoke(candles, arguments)
    assert result.exit_code == 3
    assert len(result.stderr.strip().splitlines()) == 1
