"""`alpha backtest` from outside: one sentence and exit code 2 for what cannot be run."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyarrow import csv, parquet, table

from alpha.candles.store import CandleStore
from alpha.commands.backtest import backtest
from alpha.commands.candles import candles as candles_command
from tests.unit.backtest.markets import BTC, ETH, a_series

CANARY = "strategies.canary:Canary"


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
        (("--param", "no_such=1"), "no_such: there is no parameter of this name"),
        (("--param", "hold_bars"), "must be written NAME=VALUE"),
        (("--param", "limits.max_entries_per_hour=x"), "params.limits"),
        (("--from", "yesterday"), "is not a date"),
        (("--balance", "0"), "is not above 0"),
        (("--balance", "1e40"), "1e40 is above 1,000,000,000,000"),
        (("--balance", "1e-40"), "has more than 12 places"),
        (("--slippage", "200"), "200 is above 25"),
        (("--to", "9999-12-31"), "is not a time between 1970 and 2099"),
        (("--from", "0001-01-01"), "is not a time between 1970 and 2099"),
        (("--from", "0001-01-01T00:00+05:00"), "is not a time between 1970 and 2099"),
        (("--html", "/no/such/folder/x.html"), "x.html cannot be written: there is no folder /no/such/folder"),
        (("--html", "/"), "is a directory"),
        (("--export", "/dev/null/x"), "nothing can be written to /dev/null/x: /dev/null is no folder"),
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


@pytest.mark.parametrize(
    "parameter", ["warm_up_bars=99999999999", "bar_minutes=99999999999999", "warm_up_bars=99999999"]
)
def test_more_than_can_be_looked_back_is_one_sentence(folder: Path, parameter: str):
    arguments = ["--candles", str(folder), "--symbols", "BTCUSDT", "--from", "2025-03-01", "--param", parameter]
    found = refused(run("strategies.shortseller:ShortSeller", *arguments))
    assert "ShortSeller looks back" in found or "ShortSeller cannot reckon with these parameters" in found


def test_what_cannot_be_written_after_all_is_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    arguments = ["--candles", str(folder), "--symbols", "BTCUSDT", "--html", str(tmp_path / "x.html")]
    assert "x.html cannot be written: No space left on device" in refused(run(CANARY, *arguments))


def test_a_candle_that_cannot_be_is_named_with_its_file(folder: Path):
    series = a_series(576)
    series.high[300] = series.low[300] - 5
    write(folder, "bybit_linear_made-BTCUSDT-5m", series)
    found = refused(run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT"))
    assert "bybit_linear_made-BTCUSDT-5m.parquet cannot be used: 1 candles have a high below" in found
    assert "first 2025-03-02 01:00 UTC" in found


def test_a_symbol_the_strategy_does_not_take_is_named(folder: Path):
    write(folder, "bybit_linear_made-AAVEUSDT-5m", a_series(576, symbol=BTC))
    result = run("strategies.shortseller:ShortSeller", "--candles", str(folder), "--symbols", "AAVEUSDT")
    assert "ShortSeller has no stops for AAVEUSDT" in refused(result)


def test_files_that_disagree_are_named(folder: Path):
    write(folder, "bybit_linear_other-BTCUSDT-5m", a_series(576, seed=2))
    found = refused(run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT"))
    first, second = (folder / f"bybit_linear_{name}-BTCUSDT-5m.parquet" for name in ("other", "made"))
    assert f"{first} and {second} disagree on the open of 576 candles, first at 2025-03-01 00:00 UTC" in found
    assert found.endswith("remove the wrong one")


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


def test_candles_that_say_something_else_overwrite_on_purpose_only(folder: Path, tmp_path: Path):
    them = tmp_path / "them.csv"
    arguments = ["import", str(them), "--symbol", "ETHUSDT", "--interval", "60m", "--folder", str(folder)]

    def taken(close: float, *more: str) -> Result:
        them.write_text(f"ts_ms,open,high,low,close,volume\n1738353600000,1,2,1,{close},5\n")
        return CliRunner().invoke(candles_command, [*arguments, *more])

    assert taken(2).exit_code == 0
    assert taken(2).exit_code == 0
    assert "the close of 2025-01-31 20:00 UTC is 2.0 there and 1.5 in what was to be added" in refused(taken(1.5))
    assert CandleStore(folder).series(ETH, "1h").close.tolist() == [2]
    assert taken(1.5, "--replace").exit_code == 0
    assert CandleStore(folder).series(ETH, "1h").close.tolist() == [1.5]


@pytest.mark.parametrize("symbol", ["../../out", "btcusdt", "", "BTC/USDT"])
def test_a_symbol_that_is_none_names_no_folder(folder: Path, tmp_path: Path, symbol: str):
    (them := tmp_path / "them.csv").write_text("ts_ms,open,high,low,close,volume\n1738353600000,1,2,1,2,5\n")
    before = sorted(tmp_path.rglob("*"))
    arguments = ["import", str(them), "--symbol", symbol, "--interval", "1h", "--folder", str(folder)]
    assert "is no symbol" in refused(CliRunner().invoke(candles_command, arguments))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("interval", ["99999999999999999999d", "0m", "5x", "\u00b2m"])
def test_an_interval_that_is_none_is_one_sentence(folder: Path, tmp_path: Path, interval: str):
    (them := tmp_path / "them.csv").write_text("ts_ms,open,high,low,close,volume\n1738353600000,1,2,1,2,5\n")
    arguments = ["import", str(them), "--symbol", "ETHUSDT", "--interval", interval, "--folder", str(folder)]
    assert "is not an interval like 5m" in refused(CliRunner().invoke(candles_command, arguments))


def test_all_symbols_are_those_recorded_in_the_period_and_what_is_left_out_is_said(folder: Path):
    write(folder, "bybit_linear_made-ETHUSDT-5m", a_series(576))
    write(folder, "bybit_linear_made-NEWUSDT-5m", a_series(576))
    old = a_series(576)
    write(folder, "bybit_linear_made-SOLUSDT-5m", old[:100])
    after = ("--from", f"{old.first + 200 * old.interval:%Y-%m-%dT%H:%M}")
    told = json.loads(run(CANARY, "--candles", str(folder), "--symbols", "all", "--json", *after).stdout)
    assert told["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert "not traded, as the table of instruments does not know them: NEWUSDT" in told["notes"]
    assert "not traded, as nothing of the period is recorded of them: SOLUSDT" in told["notes"]


def test_a_bot_that_trades_all_symbols_does_so_in_a_backtest(folder: Path):
    bots = """
accounts: {whole: {key_env: A_KEY, secret_env: A_SECRET}}
bots: [{id: whole_001, code: wh, account: whole, strategy: "strategies.canary:Canary", redis_db: 3, symbols: all}]
"""
    Path("bots.yaml").write_text(bots)
    write(folder, "bybit_linear_made-ETHUSDT-5m", a_series(576))
    for name in ("whole_001", "canary"):
        told = json.loads(run(name, "--candles", str(folder), "--json").stdout)
        assert told["symbols"] == ["BTCUSDT", "ETHUSDT"]
    # One that names its own is not widened by it.
    assert json.loads(run("whole_001", "--candles", str(folder), "--symbols", "ETHUSDT", "--json").stdout)[
        "symbols"
    ] == ["ETHUSDT"]


def test_all_symbols_of_a_folder_without_any_of_the_period_are_refused(folder: Path):
    found = refused(run(CANARY, "--candles", str(folder), "--symbols", "all", "--from", "2031-01-01"))
    assert "holds no 5m candles of the period for any symbol in the table of instruments" in found


def test_a_strategy_that_names_its_symbols_refuses_all(folder: Path):
    found = refused(run("lxalgo", "--candles", str(folder), "--symbols", "all"))
    assert "more are not in LXAlgo's universe" in found
    assert len(found) < 250


def test_without_a_ledger_nothing_is_run_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALPHA_HOME", str(folder / "home"))
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    result = run(CANARY, "--candles", str(folder), "--symbols", "BTCUSDT", "--ledger")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no platform is running" in result.stderr
