from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from alpha.ledger.alerts import Severity
from database.backup.health import health_of, is_due
from database.backup.inspection import Inspection
from database.backup.manifest import Backup, check_file, list_backups, remove_backup
from database.backup.marks import damaged_files, mark_damaged
from database.backup.retention import Retention
from database.backup.thinning import thin_out
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


def test_what_one_process_found_the_others_know_and_the_next_one(tmp_path: Path) -> None:
    older, newest = a_backup(tmp_path, AT), a_backup(tmp_path, AT + DAY)
    (tmp_path / newest.file).write_bytes(b"dumb")
    beside = Inspection(tmp_path, told_beside := Told())
    Inspection(tmp_path, Told()).look()

    assert list(damaged_files(tmp_path)) == [newest.file]
    assert "checksum" in damaged_files(tmp_path)[newest.file]
    for inspection, told in ((beside, told_beside), (Inspection(tmp_path, told_next := Told()), told_next)):
        assert inspection.damaged == {newest.file}
        for _ in range(2):
            inspection.look()
        # Whoever marked it may have been a command, which alerts nobody.
        assert [kind for kind, _, _ in told.alerts] == ["backup_damaged"]
    assert list_backups(tmp_path) == [older, newest], "the mark is no backup"


def test_a_mark_that_cannot_be_written_is_no_reason_to_count_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = a_backup(tmp_path)
    (tmp_path / backup.file).write_bytes(b"dumb")
    monkeypatch.setattr("database.backup.inspection.mark_damaged", lambda *_: None)
    inspection = Inspection(tmp_path, told := Told())

    for _ in range(2):
        inspection.look()

    assert inspection.damaged == {backup.file}
    assert [kind for kind, _, _ in told.alerts] == ["backup_damaged"]


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


def _delete_the_dump(folder: Path, backup: Backup) -> None:
    (folder / backup.file).unlink()


def _spoil_the_manifest(folder: Path, backup: Backup) -> None:
    (folder / f"{backup.name}.json").write_text("{rotten")


@pytest.mark.parametrize("lose", [_delete_the_dump, _spoil_the_manifest, remove_backup])
@pytest.mark.parametrize("was_damaged", [False, True])
def test_one_that_disappears_is_told_once_and_nothing_is_cleared(
    tmp_path: Path, lose: Callable[[Path, Backup], None], was_damaged: bool
) -> None:
    older, newest = a_backup(tmp_path, AT), a_backup(tmp_path, AT + DAY)
    inspection = Inspection(tmp_path, told := Told())
    if was_damaged:
        (tmp_path / newest.file).write_bytes(b"dumb")
    inspection.look()
    lose(tmp_path, newest)

    for _ in range(3):
        inspection.look()

    ((kind, text, severity),) = told.alerts
    assert (kind, severity) == ("backup_damaged" if was_damaged else "backup_missing", Severity.CRITICAL)
    assert newest.file in text
    assert older.file not in text
    assert inspection.damaged == {newest.file}
    assert health_of(tmp_path, now=AT + DAY, damaged=inspection.damaged)["damaged"] == [newest.file]

    a_backup(tmp_path, AT + DAY)
    inspection.look()
    assert inspection.damaged == set(), "it came back, and is whole"


def test_who_deletes_what_a_command_found_damaged_misses_nothing(tmp_path: Path) -> None:
    older, newer, newest = (a_backup(tmp_path, AT + n * DAY) for n in range(3))
    inspection = Inspection(tmp_path, told := Told())
    inspection.look()
    mark_damaged(tmp_path, older.file, "found by `alpha backup --check`")
    inspection.look()
    remove_backup(tmp_path, older)

    inspection.look()

    assert told.alerts == []
    assert list_backups(tmp_path) == [newer, newest]


def test_a_folder_that_is_gone_is_one_alert(tmp_path: Path) -> None:
    backups = [a_backup(tmp_path, AT + n * DAY) for n in range(7)]
    inspection = Inspection(tmp_path, told := Told())
    inspection.look()
    for backup in backups:
        remove_backup(tmp_path, backup)

    inspection.look()

    ((kind, text, _),) = told.alerts
    assert kind == "backup_missing"
    assert "and 2 more" in text


def test_what_was_thinned_out_is_not_missed(tmp_path: Path) -> None:
    retention = Retention(days=2, weeks=2, months=1)
    for n in range(5):
        a_backup(tmp_path, AT + n * DAY)
    inspection = Inspection(tmp_path, told := Told(), retention)
    removed = []
    for n in range(5, 40, 3):
        inspection.look()
        for more in range(3):
            # Several by the time of the next look, as when commands make them beside the service.
            a_backup(tmp_path, AT + (n + more) * DAY)
            removed += thin_out(tmp_path, retention, inspection.damaged)
    inspection.look()

    assert len(removed) > 30
    assert told.alerts == []
    assert inspection.damaged == set()
