"""A database is lost, the last backup comes back, and what the exchange did since is in the ledger again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alpha.config.settings import load_settings
from alpha.ledger.connection import connect, transaction
from alpha.local.binaries import packaged_postgres
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.restored_ledger import recover
from database.backup.errors import BackupFailed
from database.backup.restoring import restore_backup, switch_to
from database.backup.taking import take_backup
from tests.chaos.trading import Trading

pytestmark = pytest.mark.slow


@pytest.fixture
def homes() -> Iterator[tuple[Path, Path]]:
    """A home for a platform and a folder for its backups."""
    home, folder = Path(tempfile.mkdtemp(prefix="alpha-restore-")), Path(tempfile.mkdtemp(prefix="alpha-backups-"))
    yield home, folder
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def fills_in(server: EmbeddedPostgres, name: str) -> int:
    with closing(connect(server.dsn(dbname=name), "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("SELECT count(*) FROM trading.fills")
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def test_a_backup_is_brought_up_to_date_beside_a_platform_that_trades_on(trading: Trading, tmp_path: Path) -> None:
    # given a backup, and fills since
    platform = trading.platform
    trading.more_fills(6)
    backup = take_backup(platform.dsn("owner"), tmp_path, programs=packaged_postgres())
    trading.more_fills(6)
    # when it is restored beside the ledger and brought up to date
    owner = platform.dsn("owner")
    restored = restore_backup(owner, tmp_path, backup, into="restored_beside", programs=packaged_postgres())
    environ = platform.env("owner")
    reports = recover(restored.dsn, load_settings(environ), trading.registry, environ)
    # then it holds what the exchange did since, field by field
    assert reports
    assert all(report.passed for report in reports), [report.to_json() for report in reports]
    assert fills_in(platform.postgres, "restored_beside") >= backup.figures.rows["fills"] + 6
    # and nobody can change over while the platform uses the old one
    with pytest.raises(BackupFailed, match="stop the platform"):
        switch_to(owner, "restored_beside")
    trading.more_fills(2)
    assert trading.at_rest().equal
    trading.resume()


def test_a_platform_goes_on_with_a_restored_database(homes: tuple[Path, Path]) -> None:
    home, folder = homes
    # given a platform that was backed up, traded on, and was stopped
    with Trading(home, bots=("canary_001", "canary_002"), state=home / "exchange.log") as trading:
        trading.more_fills(6)
        backup = take_backup(trading.platform.dsn("owner"), folder, programs=packaged_postgres())
        trading.more_fills(6)
        trading.keep_data()
    # when its database is replaced by the backup
    postgres = EmbeddedPostgres(home)
    postgres.start()
    try:
        restore_backup(postgres.dsn(), folder, backup, into="restored", programs=packaged_postgres())
        aside = switch_to(postgres.dsn(), "restored")
        assert fills_in(postgres, aside) >= fills_in(postgres, postgres.dsn().dbname) + 6
    finally:
        postgres.stop()
    # then the listener records what is missing and the bots trade on
    with Trading(home, bots=("canary_001", "canary_002"), state=home / "exchange.log", fresh=False) as trading:
        trading.more_fills(4)
        code, report = trading.verify()
        assert (code, report["passed"]) == (0, True), report
