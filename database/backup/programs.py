"""pg_dump and pg_restore of the server's own major version, and how they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpha.ledger.connection import Dsn
from database.backup.errors import BackupFailed, BackupGivenUp, ProgramsMissing

_DEBIAN = Path("/usr/lib/postgresql")
_SHOWN = 400
_ENDS_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.2
# pg_restore 17 and newer begin with `SET transaction_timeout = 0` whatever the server is.
_KNOWS_TRANSACTION_TIMEOUT = 17


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The two programs, of one major version."""

    major: int
    pg_dump: Path
    pg_restore: Path
    given_up: Callable[[], bool] = _never
    """Asked several times a second while a program runs: whether it shall be ended."""

    def dump(self, dsn: Dsn, *, snapshot: str, to: Path) -> None:
        """Writes the database as that exported snapshot shows it, in custom format. Raises BackupFailed."""
        self._run(
            [
                str(self.pg_dump),
                "--format=custom",
                "--no-password",
                "--lock-wait-timeout=60s",
                f"--snapshot={snapshot}",
                f"--file={to}",
                f"--dbname={dsn.dbname}",
            ],
            dsn,
        )

    def restore(self, dsn: Dsn, dump: Path, *, privileges: bool) -> None:
        """Restores into the empty database of `dsn`; everything belongs to its user. Raises BackupFailed.

        Without `privileges` the grants are left out, for a user who may not give them.
        """
        self._run(
            [
                str(self.pg_restore),
                "--no-password",
                "--exit-on-error",
                "--no-owner",
                *(() if privileges else ("--no-privileges",)),
                f"--dbname={dsn.dbname}",
                str(dump),
            ],
            dsn,
        )

    def _run(self, argv: Sequence[str], dsn: Dsn) -> None:
        # The password goes by the environment: arguments can be read by every user of the machine.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "PGHOST": dsn.host,
            "PGPORT": str(dsn.port),
            "PGUSER": dsn.user,
            "PGPASSWORD": dsn.password,
            "PGCONNECT_TIMEOUT": "10",
        }
        try:
            process = subprocess.Popen(
                argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise BackupFailed(f"{argv[0]} cannot be run: {error}") from error
        with process:
            try:
                said = self._followed(process)
            except BaseException:
                _end(process)
                raise
        if process.returncode != 0:
            # What follows an error is the statement, which may be a thousand times as long.
            errors = [line for line in said.splitlines() if "error:" in line]
            words = " ".join(" ".join(errors or [said]).split())[:_SHOWN]
            raise BackupFailed(f"{Path(argv[0]).name} failed (exit code {process.returncode}): {words or 'no message'}")

    def _followed(self, process: subprocess.Popen[str]) -> str:
        """What it said until its end. Raises BackupGivenUp."""
        while True:
            try:
                _, said = process.communicate(timeout=_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                if self.given_up():
                    raise BackupGivenUp("given up: this process was asked to end") from None
            else:
                return said


def _end(process: subprocess.Popen[str]) -> None:
    """Asked first, so that it takes back what it asked of the server; waited for, since its file is removed next."""
    process.terminate()
    try:
        process.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def find_programs(major: int, folders: Sequence[Path] = (), *, or_newer: bool = False) -> Programs:
    """The programs of this major version: in `folders`, on PATH, or where Debian keeps them.

    A dump is taken by the server's own major only: an older pg_dump is refused by the server, and what a newer one
    writes need not be understood by it. With `or_newer` a newer pair does where there is no other, for a server from 17
    on: pg_restore reads the archives of its elders, but it sets what an older server does not know.

    Raises ProgramsMissing, which says what was found instead.
    """
    on_path = shutil.which("pg_dump")
    places = [
        *folders,
        *([] if on_path is None else [Path(on_path).resolve().parent, Path(on_path).parent]),
        _DEBIAN / str(major) / "bin",
    ]
    seen: list[Programs] = []
    for place in places:
        dump, restore = place / "pg_dump", place / "pg_restore"
        if not (dump.is_file() and restore.is_file()):
            continue
        found = Programs(major=_major(dump), pg_dump=dump, pg_restore=restore)
        if found.major == major:
            return found
        seen.append(found)
    newer = [found for found in seen if found.major > major]
    if or_newer and newer and major >= _KNOWS_TRANSACTION_TIMEOUT:
        return min(newer, key=lambda found: found.major)
    there = ", ".join(f"{found.pg_dump} is of {found.major}" for found in seen)
    raise ProgramsMissing(
        f"the server is PostgreSQL {major} and there is no pg_dump of {major} ({there or 'none at all'}): "
        f"install postgresql-client-{major}, or have postgres_backup make it, which has its own"
    )


def _major(program: Path) -> int:
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"(\d+)", shown)
    return int(number.group(1)) if number else 0
