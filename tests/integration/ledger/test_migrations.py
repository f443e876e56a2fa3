from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from alpha.ledger.connection import Dsn, connect, transaction
from database.migrate import MIGRATIONS, MigrationError, migrate, read_migrations

TABLES = {
    "accounts",
    "bots",
    "fills",
    "fill_assignments",
    "fill_owners",
    "assignment_outcomes",
    "trade_excursions",
    "account_head",
    "bot_heads",
    "books",
    "trades",
    "opening_positions",
    "orders",
    "positions",
    "equity_snapshots",
    "completed_trades",
    "coverage",
    "drift",
    "raw_events",
    "sync_status",
    "order_intents",
    "bot_state",
    "leases",
    "controls",
    "alerts",
    "audit_events",
}
VIEWS = {
    "bot_daily_performance",
    "position_summaries",
    "exit_reason_analysis",
    "bot_performance",
    "owned_fills",
    "trade_fills",
    "round_trips",
}


def names(dsn: Dsn) -> set[str]:
    with closing(connect(dsn, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('trading')")
        return {name for (name,) in cursor.fetchall()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations to spoil."""
    copied = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copied)
    return copied


def test_an_empty_database_gets_every_table_and_view(empty: Dsn) -> None:
    applied = migrate(empty)
    assert applied == [migration.name for migration in read_migrations()]
    assert names(empty) >= TABLES | VIEWS


def test_a_second_run_changes_nothing(empty: Dsn) -> None:
    migrate(empty)
    assert migrate(empty) == []


def test_two_runners_at_once_apply_each_migration_once(empty: Dsn) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: migrate(empty), range(4)))
    assert sorted(runs, key=len) == [[], [], [], [migration.name for migration in read_migrations()]]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty: Dsn, folder: Path) -> None:
    migrate(empty, folder)
    spoiled = next(folder.glob("0003_*.sql"))
    spoiled.write_text(spoiled.read_text() + "\n-- one more line\n")
    with pytest.raises(MigrationError, match=r"0003_exchange_state.sql is not the file that was applied"):
        migrate(empty, folder)


def test_a_failing_migration_leaves_nothing_and_the_ones_before_stay(empty: Dsn, folder: Path) -> None:
    number = len(read_migrations(folder)) + 1
    added = folder / f"{number:04}_broken.sql"
    added.write_text("CREATE TABLE trading.half_made (id integer);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"broken failed and was rolled back: .*division by zero"):
        migrate(empty, folder)
    assert "half_made" not in names(empty)
    # repaired, it is the only one left to do
    added.write_text("CREATE TABLE trading.half_made (id integer);\n")
    assert migrate(empty, folder) == [added.stem]


def test_an_older_release_does_not_touch_a_newer_database(empty: Dsn, folder: Path) -> None:
    migrate(empty, folder)
    max(folder.glob("*.sql")).unlink()
    with pytest.raises(MigrationError, match="install a newer release"):
        migrate(empty, folder)


def test_numbers_without_order_are_refused(folder: Path) -> None:
    (folder / "0009_later.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="without gap or repeat"):
        read_migrations(folder)


def test_a_name_out_of_form_is_refused(folder: Path) -> None:
    (folder / "fix.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="NNNN_what_it_does"):
        read_migrations(folder)
