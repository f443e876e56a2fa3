"""`alpha backtest` from outside: one sentence and exit code 2 for what cannot be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result
from pyarrow import csv, parquet, table

from alpha.commands.backtest import backtest
from alpha.commands.candles import candles as candles_command
from tests.unit.backtest.markets import BTC, ETH, a_series

CANARY = "strategies.canary:Canary"


@pytest.fixture(autouse=True)
def _log_as_before():  # type: ignore[no-untyped-def]
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Candles of BTCUSDT, two days of five minutes, in a folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    (candles := tmp_path / "candles").mkdir()
    write(candles, "bybit_linear_made-BTCUSDT-5m", a_series(576))
    return candles


def write(folder: Path, name: str, series) -> None:  # type: ignore[no-untyped-def]
    names = ("open", "high", "low", "close", "volume")
    columns = {"ts_ms": series.starts_ms, **{each: getattr(series, each) for each in names}}
    parquet.write_table(table(columns), folder / f"{name}.parquet")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(backtest, list(arguments))


def refused(result: Result) -> str:
    """The one line that says what is wrong."""
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    return lines[-1]


def test_a_run_tells_its_figures_as_json(folder: Path):
    result = run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["figures"]["trades"] > 10
    assert told["exit_reasons"][0]["name"] == "time_exit"


def test_a_run_writes_page_and_tables(folder: Path, tmp_path: Path):
    page, tables = tmp_path / "report.html", tmp_path / "out"
    result = run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT", "--html", str(page), "--export", str(tables))
    assert result.exit_code == 0, result.output
    assert "<svg" in page.read_text()
    fills, same = parquet.read_table(tables / "fills.parquet"), csv.read_csv(tables / "fills.csv")
    assert fills.column_names == same.column_names
    assert fills.num_rows == same.num_rows > 10


def test_parameters_and_costs_can_be_changed(folder: Path):
    common = (CANARY, "--candles", str(folder), "--symbols", "BTCUSDT", "--json")
    plain = json.loads(run(*common).stdout)
    changed = json.loads(run(*common, "--param", "hold_bars=9", "--taker", "0", "--slippage", "0.1").stdout)
    assert changed["parameters"]["hold_bars"] == 9
    assert plain["figures"]["fees_usdt"] > changed["figures"]["fees_usdt"] == 0
    assert changed["costs"]["half_spread"] == "0.00105"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--symbols", "ETHUSDT"), "holds no 5m candles of ETHUSDT, nor of another interval"),
        (("--symbols", "NOPEUSDT"), "NOPEUSDT is not in the table of instruments"),
        (("--from", "2031-01-01"), "none of them in the period asked for"),
        (("--from", "2025-03-02", "--to", "2025-03-01"), "is empty"),
        (("--from", "2025-03-02T12:00", "--to", "2025-03-02T12:00"), "is empty"),
        (("--param", "hold_bars=0"), "hold_bars: Input should be greater than 0"),
        (("--param", "no_such=1"), "no_such: Extra inputs are not permitted"),
        (("--param", "hold_bars"), "must be written NAME=VALUE"),
        (("--param", "limits.max_entries_per_hour=x"), "params.limits"),
        (("--from", "yesterday"), "is not a date"),
        (("--balance", "0"), "is not above 0"),
        (("--param", "warm=1", "--candles", "nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(folder: Path, arguments: tuple[str, ...], sentence: str):
    common = ["--candles", str(folder)] if "--candles" not in arguments else []
    symbols = ["--symbols", "BTCUSDT"] if "--symbols" not in arguments else []
    assert sentence in refused(run(CANARY, *common, *symbols, *arguments))


def test_an_unknown_strategy_is_told_what_there_is(folder: Path):
    assert "neither a bot in bots.yaml" in refused(run("nobody", "--candles", str(folder)))


def test_a_strategy_without_a_bot_needs_symbols(folder: Path):
    assert "name its symbols with --symbols" in refused(run("canary", "--candles", str(folder)))


def test_too_little_history_is_named(folder: Path):
    result = run("strategies.shortseller:ShortSeller", "--candles", str(folder), "--symbols", "BTCUSDT")
    assert "too little history: ShortSeller looks back 20.8 days" in refused(result)


def test_a_symbol_the_strategy_does_not_take_is_named(folder: Path):
    write(folder, "bybit_linear_made-AAVEUSDT-5m", a_series(576, symbol=BTC))
    result = run("strategies.shortseller:ShortSeller", "--candles", str(folder), "--symbols", "AAVEUSDT")
    assert "ShortSeller has no stops for AAVEUSDT" in refused(result)


def test_files_that_disagree_are_named(folder: Path):
    write(folder, "bybit_linear_other-BTCUSDT-5m", a_series(576, seed=2))
    found = refused(run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT"))
    assert "two recordings of BTCUSDT disagree" in found


def test_a_gap_is_named_in_the_report(folder: Path):
    write(folder, "bybit_linear_made-ETHUSDT-5m", a_series(576, symbol=ETH, gaps=((200, 212),)))
    result = run(CANARY, "--candles", str(folder), "--symbols", "ETHUSDT")
    assert result.exit_code == 0, result.output
    assert "ETHUSDT lacks 12 candles from 2025-03-01 16:40 to 2025-03-01 17:40" in " ".join(result.output.split())


def test_candles_of_others_are_taken_in_and_checked(folder: Path, tmp_path: Path):
    (them := tmp_path / "them.csv").write_text(
        "ts_ms,open,high,low,close,volume\n1738353600000,1,2,1,2,5\n1738357200000,2,2,1,1,5\n"
    )
    arguments = ["import", str(them), "--symbol", "ETHUSDT", "--interval", "1h", "--folder", str(folder)]
    taken = CliRunner().invoke(candles_command, arguments)
    assert taken.exit_code == 0, taken.output
    checked = CliRunner().invoke(candles_command, ["check", "--candles", str(folder), "--json"])
    assert checked.exit_code == 0, checked.output
    found = json.loads(checked.stdout)
    assert {(each["symbol"], each["interval"], each["rows"]) for each in found if each["file"] is None} == {
        ("BTCUSDT", "5m", 576),
        ("ETHUSDT", "1h", 2),
    }
