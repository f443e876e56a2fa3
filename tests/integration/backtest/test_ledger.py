"""A backtest in PostgreSQL: the same way in as every other fill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from alpha.commands.backtest import backtest
from alpha.domain.ids import AccountName, Symbol
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.fill_rows import RECORDED_COLUMNS, HeardFill
from alpha.ledger.fills import FillRecorder, RecordResult
from alpha.local import backtest_ledger
from alpha.local.backtest_ledger import record_with
from alpha.local.backtest_rows import FILL_TABLE_COLUMNS, TRADE_TABLE_COLUMNS, fill_rows, trade_rows
from backtest.outcome import Outcome
from backtest.run import backtest_on
from tests.integration.backtest.toy import write_candles
from tests.support import Database
from tests.unit.backtest.markets import BTC, ETH, Everything, a_plan, a_series, recordings


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    # Each has a running number of its own, which differ where several fill at one instant.
    symbols = (BTC, ETH, Symbol("SOLUSDT"))
    plan = a_plan(Everything, *symbols, account=AccountName("backtest_ev"))
    series = (a_series(400, symbol=each, seed=n, wild=0.001 * (n + 1)) for n, each in enumerate(symbols))
    return backtest_on(plan, recordings(*series))


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("ledger_writer"), "tests")) as connection:
        yield connection


def rows(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    with transaction(connection) as cursor:
        cursor.execute("SET LOCAL alpha.include_backtest = 'on'")
        cursor.execute(statement)
        return cursor.fetchall()


def columns_of(connection: Connection, name: str) -> tuple[object, ...]:
    statement = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'trading'"
        f" AND table_name = '{name}' ORDER BY ordinal_position"
    )
    return tuple(row[0] for row in rows(connection, statement))


def test_exports_have_exactly_the_columns_of_the_ledger(database: Database):
    with closing(connect(database.owner, "tests")) as owner:
        assert columns_of(owner, "fills") == FILL_TABLE_COLUMNS
        assert columns_of(owner, "trades") == TRADE_TABLE_COLUMNS


def test_what_is_recorded_is_what_was_exported(ledger: Connection, outcome: Outcome):
    assert "recorded as bot everything_001" in record_with(ledger, outcome)
    for table, columns, ours in (
        ("fills", [c for c in RECORDED_COLUMNS if c not in ("received_at", "recorded_at")], fill_rows(outcome)),
        ("trades", list(TRADE_TABLE_COLUMNS), trade_rows(outcome)),
    ):
        stored = rows(ledger, f"SELECT {', '.join(columns)} FROM trading.{table}")
        expected = [tuple(getattr(row[c], "value", row[c]) for c in columns) for row in ours]
        assert sorted(map(str, stored)) == sorted(map(str, expected))
    assert rows(ledger, "SELECT kind FROM trading.accounts") == [("backtest",)]
    assert len(outcome.trades) > 20


def test_the_run_and_its_parameters_are_kept(ledger: Connection, outcome: Outcome):
    record_with(ledger, outcome)
    ((kept,),) = rows(ledger, "SELECT params FROM trading.bots")
    assert isinstance(kept, dict)
    assert kept["backtest"]["figures"]["trades"] == len(outcome.trades)
    assert kept["backtest"]["from"] == outcome.start.isoformat()


def test_the_same_run_again_changes_nothing(ledger: Connection, outcome: Outcome):
    record_with(ledger, outcome)
    assert "was recorded before" in record_with(ledger, outcome)
    assert rows(ledger, "SELECT count(*) FROM trading.fills") == [(len(outcome.fills),)]
    assert rows(ledger, "SELECT count(*) FROM trading.drift") == [(0,)]


@pytest.mark.patches_source
@pytest.mark.parametrize("batches", [0, 2])
def test_a_recording_that_was_killed_is_finished_by_the_same_run(
    ledger: Connection, outcome: Outcome, monkeypatch: pytest.MonkeyPatch, batches: int
):
    class Dying(FillRecorder):
        left = batches

        def record(self, batch: Sequence[HeardFill]) -> RecordResult:
            if not Dying.left:
                raise KeyboardInterrupt
            Dying.left -= 1
            return super().record(batch)

    monkeypatch.setattr(backtest_ledger, "_BATCH", 10)
    with monkeypatch.context() as killed:
        killed.setattr(backtest_ledger, "FillRecorder", Dying)
        with pytest.raises(KeyboardInterrupt):
            record_with(ledger, outcome)
    assert rows(ledger, "SELECT count(*) FROM trading.fills") == [(10 * batches,)]
    assert record_with(ledger, outcome).startswith("recorded as bot")
    assert rows(ledger, "SELECT count(*) FROM trading.fills") == [(len(outcome.fills),)]
    assert rows(ledger, "SELECT count(*) FROM trading.trades") == [(len(outcome.trades),)]
    assert rows(ledger, "SELECT count(*) FROM trading.drift") == [(0,)]


def test_another_outcome_under_the_same_name_is_refused(ledger: Connection, outcome: Outcome):
    record_with(ledger, outcome)
    with pytest.raises(LedgerRefused, match="was recorded before with other fills"):
        record_with(ledger, replace(outcome, fills=outcome.fills[:-1]))
    assert rows(ledger, "SELECT count(*) FROM trading.drift") == [(0,)]


def test_the_views_leave_it_out_unless_asked_for(ledger: Connection, outcome: Outcome):
    record_with(ledger, outcome)
    statement = "SELECT count(*) FROM trading.exit_reason_analysis"
    assert rows(ledger, statement) != [(0,)]
    with transaction(ledger) as cursor:
        cursor.execute(statement)
        assert cursor.fetchone() == (0,)


def test_the_command_records_where_the_environment_says(
    database: Database, ledger: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_candles(tmp_path)
    dsn = database.dsn("ledger_writer")
    for name, value in (
        ("HOST", dsn.host), ("PORT", dsn.port), ("DB", dsn.dbname), ("USER", dsn.user), ("PASSWORD", dsn.password)
    ):  # fmt: skip
        monkeypatch.setenv(f"POSTGRES_{name}", str(value))
    monkeypatch.setenv("ALPHA_HOME", str(tmp_path / "home"))
    arguments = ["strategies.canary:Canary", "--candles", str(tmp_path), "--symbols", "BTCUSDT", "--ledger"]
    result = CliRunner().invoke(backtest, arguments)
    assert result.exit_code == 0, result.output
    assert "recorded as bot canary_" in result.stderr
    ((kind, fills),) = rows(
        ledger,
        "SELECT kind, (SELECT count(*) FROM trading.fills AS f WHERE f.account = a.account) FROM trading.accounts AS a",
    )
    assert kind == "backtest"
    assert isinstance(fills, int)
    assert fills > 20
