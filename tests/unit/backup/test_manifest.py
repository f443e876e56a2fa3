from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from database.backup.errors import BackupFailed
from database.backup.figures import Figures, differences
from database.backup.health import health_of, is_due
from database.backup.manifest import (
    Backup,
    backup_name,
    check_file,
    list_backups,
    newest,
    read_manifest,
    sha256_of,
    write_manifest,
)
from database.backup.retention import Retention
from database.backup.thinning import thin_out

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
FIGURES = Figures(rows={"fills": 3}, sums={"fills.fees": "0.31"}, net_pnl={"canary_001": "-0.31"})


def a_backup(folder: Path, at: datetime = AT, content: bytes = b"dump", ledger: str = "one") -> Backup:
    """A dump with its manifest."""
    file = folder / f"{backup_name('trading_db' if ledger == 'one' else 'other_db', at)}.dump"
    file.write_bytes(content)
    backup = Backup(
        file=file.name,
        database="trading_db",
        ledger=ledger,
        taken_at=at,
        verified_at=at,
        server_major=17,
        schema_version=19,
        size=len(content),
        sha256=sha256_of(file),
        recipients=(),
        figures=FIGURES,
    )
    write_manifest(folder, backup)
    return backup


def test_a_manifest_says_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)

    assert read_manifest(tmp_path / "trading_db-20260301T020000Z.json") == backup
    assert list_backups(tmp_path) == [backup]
    assert check_file(tmp_path, backup) == tmp_path / "trading_db-20260301T020000Z.dump"


def test_only_what_has_a_manifest_and_a_dump_is_a_backup(tmp_path: Path) -> None:
    (tmp_path / "trading_db-20260302T020000Z.dump").write_bytes(b"never verified")
    gone = a_backup(tmp_path, AT + timedelta(days=2))
    (tmp_path / gone.file).unlink()
    (tmp_path / "trading_db-20260305T020000Z.json").write_text("{broken")
    (tmp_path / "notes.json").write_text("{}")

    assert list_backups(tmp_path) == []


@pytest.mark.parametrize(("content", "word"), [(b"dumb", "checksum"), (b"dum", "bytes instead of")])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, word: str) -> None:
    backup = a_backup(tmp_path)
    (tmp_path / backup.file).write_bytes(content)

    with pytest.raises(BackupFailed, match=word):
        check_file(tmp_path, backup)


def test_a_manifest_may_not_point_outside_its_folder(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)
    path = tmp_path / f"{backup.name}.json"
    path.write_text(json.dumps(backup.to_json() | {"file": "../other.dump"}))

    with pytest.raises(BackupFailed, match="another folder"):
        read_manifest(path)


def test_the_newest_at_a_time(tmp_path: Path) -> None:
    first, second = a_backup(tmp_path), a_backup(tmp_path, AT + timedelta(days=1))

    backups = list_backups(tmp_path)
    assert newest(backups) == second
    assert newest(backups, AT + timedelta(hours=23)) == first
    assert newest(backups, AT - timedelta(seconds=1)) is None


def test_each_figure_that_differs_is_named() -> None:
    other = Figures(rows={"fills": 2, "trades": 1}, sums={"fills.fees": "0.31"}, net_pnl={})

    assert differences(FIGURES, other) == [
        "rows of fills: 3 expected, 2 found",
        "rows of trades: none expected, 1 found",
        "net_pnl of canary_001: -0.31 expected, none found",
    ]
    assert differences(FIGURES, FIGURES) == []


def test_thinning_counts_each_ledger_apart_and_deletes_dump_and_manifest(tmp_path: Path) -> None:
    kept = [a_backup(tmp_path, AT + timedelta(days=n)) for n in (2, 3)]
    old = a_backup(tmp_path, AT)
    other = a_backup(tmp_path, AT, ledger="another")

    assert thin_out(tmp_path, Retention(days=2, weeks=1, months=1)) == [old]

    assert list_backups(tmp_path) == [other, *kept]
    assert not list(tmp_path.glob("trading_db-20260301*"))


def test_a_damaged_backup_stays_and_does_not_stand_for_its_week(tmp_path: Path) -> None:
    monday, tuesday, wednesday, later = (a_backup(tmp_path, AT + timedelta(days=n)) for n in (1, 2, 3, 60))
    retention = Retention(days=1, weeks=2, months=1)

    assert thin_out(tmp_path, retention, {wednesday.file}) == [monday]

    assert list_backups(tmp_path) == [tuesday, wednesday, later]
    assert thin_out(tmp_path, retention) == [tuesday], "what the damaged one would have cost"


def test_health_is_the_age_of_the_newest_one(tmp_path: Path) -> None:
    assert health_of(tmp_path)["ok"] is False
    a_backup(tmp_path)

    fresh, stale = (health_of(tmp_path, "one", AT + timedelta(hours=hours)) for hours in (25, 27))

    assert health_of(tmp_path, "another", AT)["ok"] is False, "another ledger's backup says nothing of this one"
    assert fresh["ok"] is True
    assert fresh["age_s"] == 25 * 3600
    assert stale["ok"] is False
    assert is_due(tmp_path, AT + timedelta(hours=25))
    assert not is_due(tmp_path, AT + timedelta(hours=23))
