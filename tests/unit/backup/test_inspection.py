from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alpha.ledger.alerts import Severity
from database.backup.health import health_of, is_due
from database.backup.inspection import Inspection
from database.backup.manifest import check_file, remove_backup
from tests.unit.backup.test_manifest import AT, a_backup

DAY = timedelta(days=1)


class Told:
    """The alerts that were given."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str, Severity]] = []

    def __call__(self, kind: str, text: str, *, severity: Severity) -> None:
        self.alerts.append((kind, text, severity))


def test_every_backup_is_read_in_turn_beginning_with_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = [a_backup(tmp_path, AT + n * DAY) for n in range(3)]
    read = list[str]()
    monkeypatch.setattr("database.backup.inspection.check_file", lambda _, backup: read.append(backup.file))
    inspection = Inspection(tmp_path, Told())

    for _ in range(4):
        inspection.look()
    newer = a_backup(tmp_path, AT + 3 * DAY)
    inspection.look()

    assert read == [*(backups[n].file for n in (2, 1, 0, 2)), newer.file], "what was never read comes first"


def test_a_damaged_one_is_told_once_and_counts_no_more_until_it_is_whole_again(tmp_path: Path) -> None:
    older, newest = a_backup(tmp_path, AT), a_backup(tmp_path, AT + DAY)
    now, told = AT + DAY + timedelta(hours=1), Told()
    inspection = Inspection(tmp_path, told)
    (tmp_path / newest.file).write_bytes(b"dumb")

    for _ in range(4):
        inspection.look()

    (kind, text, severity), *more = told.alerts
    assert (kind, severity, more) == ("backup_damaged", Severity.CRITICAL, [])
    assert newest.file in text
    assert "checksum" in text
    assert inspection.damaged == {newest.file}
    assert health_of(tmp_path, now=now)["file"] == newest.file
    health = health_of(tmp_path, now=now, damaged=inspection.damaged)
    assert (health["file"], health["damaged"]) == (older.file, [newest.file])
    assert not is_due(tmp_path, now)
    assert is_due(tmp_path, now, damaged=inspection.damaged)
    assert (tmp_path / newest.file).read_bytes() == b"dumb", "left as it is"

    (tmp_path / newest.file).write_bytes(b"dump")
    for _ in range(2):
        inspection.look()
    assert inspection.damaged == set()


def test_what_is_thinned_out_meanwhile_or_not_there_at_all_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    inspection = Inspection(tmp_path, told)
    inspection.look()
    backup = a_backup(tmp_path)

    def removed_before(folder: Path, of: object) -> Path:
        assert of == backup
        remove_backup(folder, backup)
        return check_file(folder, backup)

    monkeypatch.setattr("database.backup.inspection.check_file", removed_before)
    inspection.look()

    assert not told.alerts
    assert not inspection.damaged
