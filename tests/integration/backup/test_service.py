"""`python -m database.backup` as a process: on time, when one was missed, and when somebody asks."""

from __future__ import annotations

import os
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

from alpha.ledger.backups import backup_request, newest_verified, request_backup
from alpha.ledger.connection import connect
from alpha.local.binaries import postgres_programs
from alpha.local.ports import free_port
from database.backup.manifest import list_backups
from tests.support import Database, eventually

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
        assert process.wait(timeout=10) == 0


def health(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        found = orjson.loads(error.read())
    except OSError:
        return {}
    return found


def test_a_missed_backup_is_made_at_once_and_one_can_be_asked_for(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with serving(database, folder) as url, closing(connect(database.dsn("commander"), "tests")) as commander:
        eventually(lambda: health(url).get("ok") is True, 30, "a first backup")
        first = list_backups(folder)[-1]

        number = request_backup(commander, "telegram:1")

        done = eventually(
            lambda: (found := backup_request(commander, number)) and found.ok is not None and found, 30, "an answer"
        )
        assert done
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
        number = eventually(lambda: request_backup(commander, "telegram:1"), 5)
        failed = eventually(
            lambda: (found := backup_request(commander, number)) and found.ok is not None and found, 30, "an answer"
        )
        assert failed
        assert failed.ok is False
        assert "pg_dump failed" in failed.detail
        assert health(url)["ok"] is False
        for program in broken.iterdir():
            program.unlink()

        again = request_backup(commander, "telegram:1")

        eventually(
            lambda: (found := backup_request(commander, again)) is not None and found.ok is True, 30, "a good backup"
        )
        assert health(url)["ok"] is True


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
        timeout=30,
        check=False,
    )

    assert done.returncode != 0
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
