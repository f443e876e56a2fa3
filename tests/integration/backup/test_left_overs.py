"""What kill -9 leaves at the server is dropped by the next backup or restore, and what is in use never is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from alpha.config.backups import BackupSettings
from alpha.ledger.alerts import Severity
from alpha.ledger.connection import Dsn, connect, transaction
from alpha.local.binaries import postgres_programs
from database.backup.errors import BackupFailed
from database.backup.figures import figures_of
from database.backup.job import back_up
from database.backup.manifest import Backup, list_backups
from database.backup.restoring import restore_backup
from database.backup.taking import take_backup
from tests.support import Database, eventually

PROJECT = Path(__file__).parents[3]
PROGRAMS = postgres_programs(16, None)
# Each a process that can be killed: database, folder and programs are its arguments.
WORK = {
    "backup": "take_backup(dsn, folder, programs=[programs])",
    "restore": "restore_backup(dsn, folder, list_backups(folder)[0], into='never_there', programs=[programs])",
}
_SESSIONS = "SELECT application_name FROM pg_stat_activity WHERE datname ="
_PROCESS = """
import json, sys
from pathlib import Path
from alpha.ledger.connection import Dsn
from database.backup.manifest import list_backups
from database.backup.restoring import restore_backup
from database.backup.taking import take_backup
dsn, folder, programs = Dsn(**json.loads(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
"""


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """The programs of 16, of which pg_restore logs in and never comes to an end."""
    folder = tmp_path / "endless"
    folder.mkdir()
    (folder / "pg_dump").symlink_to(PROGRAMS / "pg_dump")
    restore = folder / "pg_restore"
    restore.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {PROGRAMS}/pg_restore --version\n'
        'for word; do case "$word" in --dbname=*) into="$word";; esac; done\n'
        f'PGAPPNAME=pg_restore exec {PROGRAMS}/psql "$into" --command "SELECT pg_sleep(600)"\n'
    )
    restore.chmod(0o755)
    return folder


@contextmanager
def at_work(kind: str, dsn: Dsn, folder: Path, programs: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process whose pg_restore is at work, and the database that it restores into."""
    arguments = [json.dumps(asdict(dsn)), str(folder), str(programs)]
    process = subprocess.Popen([sys.executable, "-c", _PROCESS + WORK[kind], *arguments], cwd=PROJECT)
    try:
        yield process, eventually(lambda: restored_into(dsn), 120, "a pg_restore at work")
    finally:
        process.kill()
        process.wait()


def restored_into(dsn: Dsn) -> str:
    """The database that a pg_restore is logged in to, "" while there is none."""
    return "".join(
        _names(
            dsn,
            "SELECT datname FROM pg_stat_activity WHERE application_name = 'pg_restore' AND datname LIKE 'alpha\\_%'",
        )
    )


def databases(dsn: Dsn) -> set[str]:
    return set(_names(dsn, "SELECT datname FROM pg_database"))


@pytest.mark.parametrize("kind", list(WORK))
def test_what_a_killed_process_left_goes_with_the_next_and_not_before(
    database: Database, tmp_path: Path, endless: Path, kind: str
) -> None:
    dsn = database.owner if kind == "restore" else database.dsn("backup")
    folder = tmp_path / "backups"
    backup = take_backup(dsn, folder, programs=[PROGRAMS])
    before = databases(dsn)
    beside = tmp_path / "beside"

    with at_work(kind, dsn, folder, endless) as (process, left):
        take_backup(dsn, beside, programs=[PROGRAMS])
        assert databases(dsn) == before | {left}, "what is being made is left alone"
        process.kill()
        process.wait()

    with closing(connect(replace(database.owner, dbname=left), "somebody who looks around")):
        for _ in range(2):
            take_backup(dsn, beside, programs=[PROGRAMS])
        assert databases(dsn) == before | {left}

    def next_one() -> bool:
        if kind == "restore":
            restore_backup(dsn, folder, backup, into="whole", programs=[PROGRAMS])
            _drop(database.owner, "whole")
        else:
            take_backup(dsn, folder, programs=[PROGRAMS])
        return left not in databases(dsn)

    eventually(next_one, 120, "the left-over being dropped")
    assert databases(dsn) == before
    assert restored_into(dsn) == "", "what the killed one began is over, too"
    assert {path.suffix for path in folder.iterdir()} == {".dump", ".json", ""}, "nothing half done in the folder"
    assert backup in list_backups(folder)


_KILLED_BEFORE_THE_NAME = """
import os, signal
from database.backup import scratch
scratch._name = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
restore_backup(dsn, folder, list_backups(folder)[0], into="nearly", programs=[programs])
"""


@pytest.fixture
def nearly(database: Database, tmp_path: Path) -> Iterator[Backup]:
    """A backup, whose restore into the database `nearly` was killed when only the name was missing."""
    folder = tmp_path / "backups"
    backup = take_backup(database.owner, folder, programs=[PROGRAMS])
    arguments = [json.dumps(asdict(database.owner)), str(folder), str(PROGRAMS)]
    before = databases(database.owner)
    killed = subprocess.run(
        [sys.executable, "-c", _PROCESS + _KILLED_BEFORE_THE_NAME, *arguments], cwd=PROJECT, check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = databases(database.owner) - before
    assert left.startswith("alpha_draft_")
    eventually(lambda: not _names(database.owner, f"{_SESSIONS} '{left}'"), 60, "the end of its session")
    yield backup
    for name in ("nearly", left):
        _drop(database.owner, name)


def test_a_restore_that_was_killed_when_only_the_name_was_missing_is_finished_by_the_next_backup(
    database: Database, tmp_path: Path, nearly: Backup
) -> None:
    told = list[tuple[str, str]]()

    def tell(kind: str, text: str, *, severity: Severity) -> None:  # noqa: ARG001
        told.append((kind, text))

    back_up(database.owner, BackupSettings(folder=tmp_path / "beside"), tell=tell, programs=[PROGRAMS])

    ((kind, text),) = told
    assert kind == "restore_finished"
    assert text.startswith("nearly is there now and is whole: the restore into it ended when only its name was missing")
    with closing(connect(replace(database.owner, dbname="nearly"), "tests")) as connection:
        assert figures_of(connection) == nearly.figures
    assert not any(name.startswith("alpha_") for name in databases(database.owner))


def test_the_same_restore_again_says_that_it_is_there(database: Database, tmp_path: Path, nearly: Backup) -> None:
    named = list[str]()

    with pytest.raises(BackupFailed, match="there is a database nearly already"):
        restore_backup(
            database.owner, tmp_path / "backups", nearly, into="nearly", programs=[PROGRAMS], on_named=named.append
        )

    assert named == ["nearly"]


def test_a_name_that_was_taken_since_keeps_the_draft_and_the_backup_is_made(
    database: Database, tmp_path: Path, nearly: Backup
) -> None:
    _as_owner(database.owner, 'CREATE DATABASE "nearly" TEMPLATE template0')

    assert take_backup(database.owner, tmp_path / "beside", programs=[PROGRAMS]).figures == nearly.figures

    assert [name for name in databases(database.owner) if name.startswith("alpha_draft_")]
    with closing(connect(replace(database.owner, dbname="nearly"), "tests")) as connection:
        assert figures_of(connection).rows == {}, "the one that is there is left alone"


def test_what_belongs_to_somebody_else_does_not_keep_a_backup_from_being_made(
    database: Database, tmp_path: Path, endless: Path
) -> None:
    folder, login = tmp_path / "backups", database.dsn("backup")
    take_backup(login, folder, programs=[PROGRAMS])
    with at_work("restore", database.owner, folder, endless) as (_, left):
        pass

    take_backup(login, folder, programs=[PROGRAMS])

    assert left in databases(login)
    _drop(database.owner, left)


def test_a_superuser_does_not_give_a_database_of_somebody_else_the_name_that_he_wishes(
    database: Database, tmp_path: Path
) -> None:
    forged, named = "alpha_draft_1f_65f3a2b4c5d6e", list[str]()
    try:
        with closing(connect(replace(database.dsn("backup"), dbname="postgres"), "tests")) as low:
            low.autocommit = True
            with low.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{forged}" TEMPLATE template0')
                cursor.execute(f"COMMENT ON DATABASE \"{forged}\" IS 'whole, to be named not_what_you_think'")
                cursor.execute(f'ALTER DATABASE "{forged}" ALLOW_CONNECTIONS false')

        take_backup(database.owner, tmp_path, programs=[PROGRAMS], on_named=named.append)

        assert named == []
        assert databases(database.owner) & {forged, "not_what_you_think"} == {forged}
    finally:
        for name in (forged, "not_what_you_think"):
            _drop(database.owner, name)


def test_only_names_that_are_made_here_are_left_overs(database: Database, tmp_path: Path) -> None:
    """A copy by hand, what was restored under such a name, and what the release before has a pg_restore at work in."""
    by_hand = {"alpha_verify_march", "alpha_draft_dead_beef", "alpha_verify_1a2b3c4d5e6", "alpha_draft_1a2b3c4d5e6f"}
    of_the_release_before, ours = "alpha_verify_0123456789ab", "alpha_draft_1f_65f3a2b4c5d6e"
    made = by_hand | {of_the_release_before, ours}
    try:
        _as_owner(database.owner, *(f'CREATE DATABASE "{name}" TEMPLATE template0' for name in made))
        with closing(connect(replace(database.owner, dbname=of_the_release_before), "pg_restore")):
            take_backup(database.owner, tmp_path, programs=[PROGRAMS])
            assert databases(database.owner) & made == made - {ours}
        eventually(lambda: restored_into(database.owner) == "", 60, "the end of that session")

        take_backup(database.owner, tmp_path, programs=[PROGRAMS])

        assert databases(database.owner) & made == by_hand
    finally:
        for name in made:
            _drop(database.owner, name)


@pytest.mark.parametrize("name", ["alpha_verify_march", "alpha_draft_1f_65f3a2b4c5d6e"])
def test_nothing_is_restored_under_a_name_that_is_dropped(database: Database, tmp_path: Path, name: str) -> None:
    backup = take_backup(database.owner, tmp_path, programs=[PROGRAMS])
    steps = list[str]()

    with pytest.raises(BackupFailed, match=f"{name} begins like .* does not begin with alpha_verify_ or alpha_draft_"):
        restore_backup(database.owner, tmp_path, backup, into=name, programs=[PROGRAMS], on_step=steps.append)

    assert steps == []
    assert name not in databases(database.owner)


def _names(dsn: Dsn, query: str) -> list[str]:
    with closing(connect(dsn, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute(query)
        return [name for (name,) in cursor.fetchall()]


def _drop(owner: Dsn, name: str) -> None:
    _as_owner(owner, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _as_owner(owner: Dsn, *statements: str) -> None:
    with closing(connect(replace(owner, dbname="postgres"), "tests")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
