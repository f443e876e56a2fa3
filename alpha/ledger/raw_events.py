from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """Something the exchange sent that we could not read, verbatim."""

    number: int
    account: AccountName
    topic: str
    reason: str
    raw: str
    received_at: datetime


def add_raw_event(
    connection: Connection, *, account: AccountName, topic: str, reason: str, raw: str, received_at: datetime
) -> int:
    """Stores the message as it came and returns its number. PostgreSQL keeps no NUL: it becomes `\\u0000`."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.raw_events (account, topic, reason, raw, received_at) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id",
            (account, _storable(topic), _storable(reason), _storable(raw), received_at),
        )
        (number,) = cursor.fetchone() or (0,)
    return int(number)


def waiting_raw_events(connection: Connection, limit: int = 1000) -> list[RawEvent]:
    """Messages that were not read since, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, account, topic, reason, raw, received_at FROM trading.raw_events"
            " WHERE replayed_at IS NULL ORDER BY id LIMIT %s",
            (limit,),
        )
        return [
            RawEvent(number=row[0], account=row[1], topic=row[2], reason=row[3], raw=row[4], received_at=row[5])
            for row in cursor.fetchall()
        ]


def mark_replayed(connection: Connection, number: int, result: str) -> None:
    """Notes that a message could be read after all, and what came of it."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.raw_events SET replayed_at = clock_timestamp(), replay_result = %s"
            " WHERE id = %s AND replayed_at IS NULL",
            (result, number),
        )


def _storable(text: str) -> str:
    return text.replace("\x00", "\\u0000")
