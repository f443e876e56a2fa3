"""Synchronisations that somebody wants at once. They meet the sync service here, whatever process they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, as_json, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What was asked for, and what came of it: `ok` and `result` are None until it is done. Times are the database's.

    `result` is one JSON object per account: `{account: {"ok": true, "tasks": {task: {...}}}}`.
    """

    number: int
    account: AccountName | None
    by: str
    why: str
    asked_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    ok: bool | None
    result: Mapping[str, Any] | None


def request_sync(connection: Connection, account: AccountName | None, *, by: str, why: str = "") -> int:
    """Asks the sync service to synchronise an account, or all, at once; answers the request's number."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.sync_requests (account, by, why) VALUES (%s, %s, %s) RETURNING id", (account, by, why)
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def sync_request(connection: Connection, number: int) -> SyncRequest | None:
    """The request of this number, None when there is none."""
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT {_NAMES} FROM trading.sync_requests WHERE id = %s", (number,))
        row = cursor.fetchone()
    return None if row is None else _request(row)


def take_request(connection: Connection) -> SyncRequest | None:
    """The oldest request that waits, now taken; None when none does. One that was taken by a service that ended before
    it answered is taken again after ten minutes."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            UPDATE trading.sync_requests SET taken_at = clock_timestamp()
            WHERE id = (
                SELECT id FROM trading.sync_requests
                WHERE done_at IS NULL AND (taken_at IS NULL OR taken_at < clock_timestamp() - interval '10 minutes')
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
            )
            RETURNING {_NAMES}
            """
        )
        row = cursor.fetchone()
    return None if row is None else _request(row)


def finish_request(connection: Connection, number: int, *, ok: bool, result: Mapping[str, Any]) -> None:
    """Says what came of a request."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.sync_requests SET done_at = clock_timestamp(), ok = %s, result = %s WHERE id = %s",
            (ok, as_json(dict(result)), number),
        )


_NAMES = "id, account, by, why, asked_at, taken_at, done_at, ok, result"


def _request(row: tuple[Any, ...]) -> SyncRequest:
    number, account, by, why, asked_at, taken_at, done_at, ok, result = row
    return SyncRequest(
        number=number,
        account=account,
        by=by,
        why=why,
        asked_at=asked_at,
        taken_at=taken_at,
        done_at=done_at,
        ok=ok,
        result=result,
    )
