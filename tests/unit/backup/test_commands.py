"""`alpha backup` and `alpha restore` among backups of which one rotted."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from alpha.commands.backup import backup
from alpha.commands.restore import _chosen
from database.backup.errors import BackupFailed
from database.backup.manifest import Backup
from database.backup.marks import damaged_files
from tests.unit.backup.test_manifest import AT, a_backup

WORDS = "alpha: this backup does not count any more: "


@pytest.fixture
def older(tmp_path: Path) -> Backup:
    return a_backup(tmp_path, AT)


@pytest.fixture
def rotten(tmp_path: Path, older: Backup) -> Backup:
    """The newest one, of which nobody has found out."""
    made = a_backup(tmp_path, older.taken_at + timedelta(days=1))
    (tmp_path / made.file).write_bytes(b"dumb")
    return made


def test_check_reads_all_of_them_and_names_what_is_damaged_until_it_is_whole(tmp_path: Path, rotten: Backup) -> None:
    to = ["--to", str(tmp_path)]
    unread = CliRunner().invoke(backup, [*to, "--list"])
    assert (unread.exit_code, "DAMAGED" in unread.output) == (0, False)

    checked = CliRunner().invoke(backup, [*to, "--check"])

    assert checked.exit_code == 1
    assert [rotten.file in line for line in checked.stdout.splitlines() if line.endswith("DAMAGED")] == [True]
    assert checked.stderr.startswith(WORDS)
    assert "its checksum is not the manifest's; use another backup" in checked.stderr
    listed = CliRunner().invoke(backup, [*to, "--list", "--json"])
    assert list(json.loads(listed.stdout)["damaged"]) == [rotten.file]

    (tmp_path / rotten.file).write_bytes(b"dump")
    again = CliRunner().invoke(backup, [*to, "--check", "--json"])
    assert (again.exit_code, json.loads(again.stdout)["damaged"]) == (0, {})


def test_check_names_also_what_it_cannot_note(tmp_path: Path, rotten: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.backup.inspection.mark_damaged", lambda *_: None)

    checked = CliRunner().invoke(backup, ["--to", str(tmp_path), "--check", "--json"])

    assert (checked.exit_code, list(json.loads(checked.stdout)["damaged"])) == (1, [rotten.file])


def test_a_restore_by_name_notes_what_is_damaged(tmp_path: Path, rotten: Backup) -> None:
    assert _chosen(tmp_path / rotten.file, None, None) == (tmp_path, rotten)
    assert list(damaged_files(tmp_path)) == [rotten.file]


def test_a_restore_by_time_believes_no_mark_of_what_is_whole_again(
    tmp_path: Path, rotten: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    CliRunner().invoke(backup, ["--to", str(tmp_path), "--check"])
    (tmp_path / rotten.file).write_bytes(b"dump")
    capsys.readouterr()

    assert _chosen(None, "2027-01-01", tmp_path)[1] == rotten
    assert capsys.readouterr().err == ""
    assert damaged_files(tmp_path) == {}


def test_a_restore_by_time_passes_over_what_is_damaged_and_notes_it(
    tmp_path: Path, older: Backup, rotten: Backup, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _chosen(None, "2027-01-01", tmp_path)[1] == older
    assert f"alpha: passed over: {tmp_path / rotten.file} is damaged" in capsys.readouterr().err
    assert list(damaged_files(tmp_path)) == [rotten.file], "for retention and everybody else"
    assert _chosen(None, older.taken_at.isoformat(), tmp_path)[1] == older
    assert capsys.readouterr().err == ""

    (tmp_path / older.file).write_bytes(b"dumb")
    with pytest.raises(BackupFailed, match="has no backup of 2027"):
        _chosen(None, "2027-01-01", tmp_path)
