"""What is known of backups inside of the database that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRow:
    """One try. `taken_at` is wall clock; `size` in bytes; `seconds` is how long it took with its verification."""

    taken_at: datetime
    file: str
    ok: bool
    detail: str = ""
    verified_at: datetime | None = None
    size: int | None = None
    sha256: str | None = None
    encrypted: bool = False
    copied_to: str = ""
    seconds: float = 0.0


def ledger_identity(connection: Connection) -> str:
    """Which ledger this is: the same wherever it is restored to, another for every other ledger."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT id::text FROM trading.ledger_identity")
        row = cursor.fetchone()
    assert row is not None, "the migration made it"
    return str(row[0])


def add_backup(connection: Connection, row: BackupRow) -> None:
    """Notes a try. For members of the backup group."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.backups
                (taken_at, file, ok, detail, verified_at, size, sha256, encrypted, copied_to, seconds)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                row.taken_at,
                row.file,
                row.ok,
                row.detail,
                row.verified_at,
                row.size,
                row.sha256,
                row.encrypted,
                row.copied_to,
                round(row.seconds, 3),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """A backup that somebody asked for; `ok` is None until it was made or has failed, which `detail` then tells of."""

    number: int
    asked_by: str
    asked_at: datetime
    ok: bool | None = None
    detail: str = ""


def request_backup(connection: Connection, by: str) -> int:
    """Asks the backup service for one now; returns the request's number. For members of the commander group."""
    with transaction(connection) as cursor:
        cursor.execute("INSERT INTO trading.backup_requests (asked_by) VALUES (%s) RETURNING number", (by,))
        row = cursor.fetchone()
    assert row is not None, "INSERT ... RETURNING answers with a row"
    return int(row[0])


def backup_request(connection: Connection, number: int) -> BackupRequest | None:
    """How it stands with a request."""
    found = _requests(connection, "WHERE number = %s", (number,))
    return found[0] if found else None


def waiting_requests(connection: Connection) -> list[BackupRequest]:
    """Those that nobody has answered, oldest first."""
    return _requests(connection, "WHERE done_at IS NULL ORDER BY number", ())


def answer_requests(connection: Connection, requests: Sequence[BackupRequest], *, ok: bool, detail: str) -> None:
    """One backup answers all that waited when it began. For members of the backup group."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.backup_requests SET done_at = clock_timestamp(), ok = %s, detail = %s"
            " WHERE number = ANY(%s) AND done_at IS NULL",
            (ok, detail, [request.number for request in requests]),
        )


def newest_verified(connection: Connection) -> BackupRow | None:
    """The last backup that counts, None when there is none."""
    return _one(connection, "WHERE ok ORDER BY taken_at DESC LIMIT 1")


def last_try(connection: Connection) -> BackupRow | None:
    """The last one, whether it counts or not."""
    return _one(connection, "ORDER BY id DESC LIMIT 1")


def _requests(connection: Connection, which: str, values: tuple[object, ...]) -> list[BackupRequest]:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT number, asked_by, asked_at, ok, detail FROM trading.backup_requests {which}", values)
        return [
            BackupRequest(number=number, asked_by=by, asked_at=at, ok=ok, detail=detail)
            for number, by, at, ok, detail in cursor.fetchall()
        ]


def _one(connection: Connection, which: str) -> BackupRow | None:
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT taken_at, file, ok, detail, verified_at, size, sha256, encrypted, copied_to, seconds"
            f" FROM trading.backups {which}"
        )
        found = cursor.fetchone()
    if found is None:
        return None
    taken_at, file, ok, detail, verified_at, size, sha256, encrypted, copied_to, seconds = found
    return BackupRow(
        taken_at=taken_at,
        file=file,
        ok=ok,
        detail=detail,
        verified_at=verified_at,
        size=size,
        sha256=sha256,
        encrypted=encrypted,
        copied_to=copied_to,
        seconds=float(seconds),
    )
