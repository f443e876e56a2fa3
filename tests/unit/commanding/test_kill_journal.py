"""Kills on disk: what was ordered is there after any end, and carried out by one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from alpha.domain.ids import Symbol
from alpha.ledger.kills import Kill, KillKind
from telegram_manager.commanding.kill_journal import Entry, KillJournal

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
KILL = Kill(
    id="0123456789ab",
    kind=KillKind.FLATTEN,
    scope="bot:canary_001",
    symbols=(Symbol("BTCUSDT"),),
    by="tester",
    why="it rains",
    asked_at=AT,
)


def test_a_kill_comes_back_as_it_was_written(tmp_path: Path) -> None:
    journal = KillJournal(tmp_path)
    entry = Entry(kill=KILL)
    assert journal.write(entry)
    assert KillJournal(tmp_path).entries() == [entry]
    later = entry.proven(AT, {"accounts": [{"took_ms": 12}]})
    journal.write(later)
    assert journal.entries() == [later]
    journal.write(later.recorded())
    assert journal.entry(KILL.id) == replace(later, is_recorded=True)
    journal.remove(KILL.id)
    journal.remove(KILL.id)
    assert journal.entries() == []


def test_a_damaged_file_hides_no_other(tmp_path: Path) -> None:
    journal = KillJournal(tmp_path)
    journal.write(Entry(kill=KILL))
    (tmp_path / "kills" / "damaged.json").write_text('{"kill": ')
    assert [entry.kill for entry in journal.entries()] == [KILL]


def test_a_kill_is_claimed_once_and_free_again_after_release(tmp_path: Path) -> None:
    journal = KillJournal(tmp_path)
    claim = journal.claim(KILL.id)
    assert claim is not None
    assert KillJournal(tmp_path).claim(KILL.id) is None
    claim.release()
    again = KillJournal(tmp_path).claim(KILL.id)
    assert again is not None
    again.release()


def test_a_disk_that_takes_nothing_forbids_nothing(tmp_path: Path) -> None:
    (tmp_path / "kills").write_text("a file where a folder should be")
    journal = KillJournal(tmp_path)
    assert not journal.write(Entry(kill=KILL))
    claim = journal.claim(KILL.id)
    assert claim is not None
    claim.release()


def test_a_kill_whose_file_was_taken_away_is_gone_and_one_that_cannot_be_looked_at_is_not(tmp_path: Path) -> None:
    journal = KillJournal(tmp_path)
    assert not journal.is_gone(KILL.id), "there is no folder to look into"
    journal.write(Entry(kill=KILL))
    assert not journal.is_gone(KILL.id)
    journal.remove(KILL.id)
    assert journal.is_gone(KILL.id)


def test_what_is_written_beside_is_carried_out_by_nobody(tmp_path: Path) -> None:
    journal = KillJournal(tmp_path)
    rehearsed = journal.beside("rehearsal")
    assert rehearsed.write(Entry(kill=KILL))
    assert rehearsed.entry(KILL.id) == Entry(kill=KILL)
    assert journal.entries() == []
