"""`python -m database.backup` as a process: on time, when one was missed, and when somebody asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from alpha.ledger.backups import BackupRequest, backup_request, newest_verified, request_backup
from alpha.ledger.connection import Connection, connect, transaction
from alpha.local.binaries import postgres_programs
from alpha.local.ports import free_port
from database.backup.manifest import list_backups
from database.backup.marks import mark_damaged
from tests.support import Database, eventually
from tests.unit.backup.test_manifest import a_backup

PROJECT = Path(__file__).parents[3]


@contextmanager
def serving(database: Database, folder: Path, **more: str) -> Iterator[str]:
    """The service with a daily time that is long from now; gives the URL of its /healthz."""
    login, port = database.dsn("backup"), free_port()
    environment = {
        "PATH": f"{postgres_programs(16, None)}:{os.environ['PATH']}",
        "ALPHA_ENV_FILE": "",
        "LOG_FORMAT": "json",
        "POSTGRES_HOST": login.host,
        "POSTGRES_PORT": str(login.port),
        "POSTGRES_DB": login.dbname,
        "POSTGRES_USER": login.user,
        "POSTGRES_PASSWORD": login.password,
        "BACKUP_FOLDER": str(folder),
        "BACKUP_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "database.backup"], cwd=PROJECT, env=environment | more, stdout=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/healthz"
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def health(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        found = orjson.loads(error.read())
    except OSError:
        return {}
    return found


def answered(commander: Connection, number: int) -> BackupRequest:
    """What became of a backup that was asked for."""

    def answer() -> BackupRequest | None:
        found = backup_request(commander, number)
        return None if found is None or found.ok is None else found

    return eventually(answer, 120, "an answer")


def test_a_missed_backup_is_made_at_once_and_one_can_be_asked_for(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with serving(database, folder) as url, closing(connect(database.dsn("commander"), "tests")) as commander:
        eventually(lambda: health(url).get("ok") is True, 120, "a first backup")
        first = list_backups(folder)[-1]

        number = request_backup(commander, "telegram:1")

        done = answered(commander, number)
        assert done.ok, done.detail
        newest = newest_verified(commander)
    assert newest is not None
    assert newest.file == done.detail != first.file
    assert [backup.file for backup in list_backups(folder)] == [first.file, newest.file]


def test_it_is_unhealthy_while_backups_fail_and_healthy_again_afterwards(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (broken / name).write_text('#!/bin/sh\n[ "$1" = --version ] && echo "x (PostgreSQL) 16.1" && exit\nexit 1\n')
        (broken / name).chmod(0o755)
    real = postgres_programs(16, None)
    path = f"{broken}:{real}:{os.environ['PATH']}"
    with serving(database, folder, PATH=path) as url, closing(connect(database.dsn("commander"), "tests")) as commander:
        number = eventually(lambda: request_backup(commander, "telegram:1"))
        failed = answered(commander, number)
        assert failed.ok is False
        assert "pg_dump failed" in failed.detail
        assert health(url)["ok"] is False
        for program in broken.iterdir():
            program.unlink()

        again = request_backup(commander, "telegram:1")

        assert answered(commander, again).ok
        assert health(url)["ok"] is True


@pytest.fixture
def held_up(database: Database) -> Iterator[None]:
    """A table that no dump gets at, so that one which is begun goes on until it is ended."""
    with closing(connect(database.owner, "tests")) as holder:
        with transaction(holder) as cursor:
            cursor.execute("CREATE TABLE public.held (n integer)")
            cursor.execute("GRANT SELECT ON public.held TO PUBLIC")
        with transaction(holder) as cursor:
            cursor.execute("LOCK TABLE public.held IN ACCESS EXCLUSIVE MODE")
            yield
        with transaction(holder) as cursor:
            cursor.execute("DROP TABLE public.held")


def dump_waits(database: Database) -> bool:
    """Whether pg_dump is at the table that is held."""
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'pg_dump' AND wait_event_type = 'Lock'",
            (database.owner.dbname,),
        )
        return cursor.fetchone() == (1,)


@pytest.mark.usefixtures("held_up")
def test_a_stop_in_the_middle_of_a_dump_is_quick_and_leaves_nothing(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with serving(database, folder):
        eventually(lambda: dump_waits(database), 120, "a dump that waits")
    assert {path.name for path in folder.iterdir()} == {".lock"}
    assert not dump_waits(database)
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("SELECT count(*) FROM trading.alerts")
        assert cursor.fetchone() == (0,), "being stopped is no failure"


def test_a_second_start_removes_what_a_kill_left_and_makes_the_backup(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    partial = folder / "trading_db-20260301T020000Z.dump.partial"
    partial.write_bytes(b"half")
    with serving(database, folder) as url:
        eventually(lambda: health(url).get("ok") is True, 120, "a first backup")
    assert not partial.exists()
    (first,) = list_backups(folder)

    with serving(database, folder) as url, closing(connect(database.dsn("commander"), "tests")) as commander:
        assert eventually(lambda: health(url), 120, "an answer")["file"] == first.file
        number = request_backup(commander, "telegram:1")
        assert answered(commander, number).ok
    assert len(list_backups(folder)) == 2, "a fresh one is not made again because the service began anew"


def test_a_backup_that_was_damaged_since_is_told_and_another_one_made(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with serving(database, folder) as url:
        eventually(lambda: health(url).get("ok") is True, 120, "a first backup")
    (first,) = list_backups(folder)
    with (folder / first.file).open("r+b") as dump:
        dump.seek(first.size // 2)
        dump.write(b"rotten")

    with serving(database, folder) as url:
        healthy = eventually(
            lambda: (said := health(url)).get("ok") and "damaged" in said and said, 30, "another backup"
        )

    assert healthy["damaged"] == [first.file]
    assert [backup.file for backup in list_backups(folder)] == [first.file, healthy["file"]]
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("SELECT kind, severity, text FROM trading.alerts")
        ((kind, severity, text),) = cursor.fetchall()
    assert (kind, severity) == ("backup_damaged", "critical")
    assert f"{first.file} is damaged: its checksum is not the manifest's; use another backup" in text


def of_command(database: Database, tmp_path: Path) -> dict[str, str]:
    """What `alpha backup` is to find, and nothing else."""
    owner = database.owner
    return {
        "PATH": os.environ["PATH"],
        "ALPHA_ENV_FILE": "",
        "ALPHA_HOME": str(tmp_path / "home"),
        "ALPHA_BOTS_FILE": str(PROJECT / "bots.yaml"),
        "POSTGRES_HOST": owner.host,
        "POSTGRES_PORT": str(owner.port),
        "POSTGRES_DB": owner.dbname,
        "POSTGRES_USER": owner.user,
        "POSTGRES_PASSWORD": owner.password,
    }


def test_the_command_says_what_counts_no_more_and_what_it_could_not_do(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    rotten = a_backup(folder)
    mark_damaged(folder, rotten.file, f"{rotten.file} is damaged: its checksum is not the manifest's")
    (tmp_path / "occupied").write_text("a file where the folder of copies should be")

    done = subprocess.run(
        [sys.executable, "-m", "alpha.cli", "backup", "--to", str(folder), "--json"],
        cwd=PROJECT,
        env=of_command(database, tmp_path) | {"BACKUP_COPY_TO": f"file://{tmp_path}/occupied/copies"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = orjson.loads(done.stdout)
    assert list(told["damaged"]) == [rotten.file]
    assert told["copied_to"] is None
    assert f"alpha: {told['backup']['file']} is here only: cannot copy" in done.stderr


@pytest.mark.usefixtures("held_up")
def test_ctrl_c_in_the_command_leaves_nothing_and_says_so(database: Database, tmp_path: Path) -> None:
    folder, environment = tmp_path / "backups", of_command(database, tmp_path)
    line = [sys.executable, "-m", "alpha.cli", "backup", "--to", str(folder)]
    with subprocess.Popen(line, cwd=PROJECT, env=environment, stderr=subprocess.PIPE, text=True) as command:
        eventually(lambda: dump_waits(database), 120, "a dump that waits")
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=120)
    assert command.returncode == 130, said
    assert "alpha: interrupted: what `alpha backup --list` does not show was not made" in said
    assert {path.name for path in folder.iterdir()} == {".lock"}
    eventually(lambda: not dump_waits(database), 60, "the end of pg_dump at the server")


@pytest.mark.parametrize(("name", "value"), [("BACKUP_AT", "25:00"), ("BACKUP_PORT", "x"), ("BACKUP_RECIPIENTS", "y")])
def test_a_setting_that_cannot_be_meant_is_named(database: Database, tmp_path: Path, name: str, value: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "ALPHA_ENV_FILE": "",
        "POSTGRES_PASSWORD": database.owner.password,
        "BACKUP_FOLDER": str(tmp_path),
        name: value,
    }

    done = subprocess.run(
        [sys.executable, "-m", "database.backup"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode != 0
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
