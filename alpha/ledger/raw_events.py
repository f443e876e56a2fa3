"""What the exchange sent and we could not read, verbatim, and people's wish to have it read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Connection, transaction

_REPLAY = "replay_raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """Something the exchange sent that we could not read, verbatim. `tried` is what came of reading it again; None
    when nobody has tried."""

    number: int
    account: AccountName
    topic: str
    reason: str
    raw: str
    received_at: datetime
    tried: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """Somebody wants the waiting messages of an account read again. The number is that of the audit event."""

    number: int
    account: AccountName


def add_raw_event(
    connection: Connection, *, account: AccountName, topic: str, reason: str, raw: str, received_at: datetime
) -> int:
    """Stores the message as it came and returns its number; that of the one that waits already when it is told again,
    as after each restart by recovery. PostgreSQL keeps no NUL: it becomes `\\u0000`."""
    message = {"account": account, "topic": _storable(topic), "raw": _storable(raw)}
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id FROM trading.raw_events WHERE replayed_at IS NULL"
            " AND account = %(account)s AND topic = %(topic)s AND raw = %(raw)s LIMIT 1",
            message,
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute(
                "INSERT INTO trading.raw_events (account, topic, reason, raw, received_at)"
                " VALUES (%(account)s, %(topic)s, %(reason)s, %(raw)s, %(received_at)s) RETURNING id",
                message | {"reason": _storable(reason), "received_at": received_at},
            )
            row = cursor.fetchone()
    return int(row[0]) if row else 0


def waiting_raw_events(
    connection: Connection, limit: int = 1000, *, account: AccountName | None = None, after: int = 0
) -> list[RawEvent]:
    """Messages that were not read since, oldest first: of an account, and with numbers above `after`, where given."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, account, topic, reason, raw, received_at, replay_result FROM trading.raw_events"
            " WHERE replayed_at IS NULL AND id > %(after)s AND (%(account)s::text IS NULL OR account = %(account)s)"
            " ORDER BY id LIMIT %(limit)s",
            {"after": after, "account": account, "limit": limit},
        )
        return [
            RawEvent(
                number=row[0],
                account=row[1],
                topic=row[2],
                reason=row[3],
                raw=row[4],
                received_at=row[5],
                tried=row[6],
            )
            for row in cursor.fetchall()
        ]


def count_waiting(connection: Connection) -> dict[AccountName, int]:
    """How many messages of each account wait to be read; accounts without any are left out."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT account, count(*) FROM trading.raw_events WHERE replayed_at IS NULL GROUP BY account")
        return dict(cursor.fetchall())


def mark_replayed(connection: Connection, number: int, result: str) -> None:
    """Notes that a message could be read after all, and what came of it."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.raw_events SET replayed_at = clock_timestamp(), replay_result = %s"
            " WHERE id = %s AND replayed_at IS NULL",
            (_storable(result), number),
        )


def mark_unreadable(connection: Connection, number: int, reason: str) -> None:
    """Notes why a message could still not be read. It goes on waiting."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.raw_events SET replay_result = %s WHERE id = %s AND replayed_at IS NULL",
            (_storable(reason), number),
        )


def ask_for_replay(connection: Connection, account: AccountName, *, by: str) -> int:
    """Asks the listener that holds the account to read its waiting messages again; returns the request's number.

    The audit event is the request: commands may write no table of the listener's, and a request that nobody takes up is
    not lost, since a listener reads everything that waits when it takes an account.
    """
    return add_audit_event(connection, actor=by, action=_REPLAY, subject=account)


def last_request_before(connection: Connection, seconds: float) -> int:
    """The number up to which whatever was asked is older than that; 0 when nothing is."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT coalesce(max(id), 0) FROM trading.audit_events"
            " WHERE at < clock_timestamp() - make_interval(secs => %s)",
            (seconds,),
        )
        (number,) = cursor.fetchone() or (0,)
    return int(number)


def requests_after(connection: Connection, number: int, accounts: Sequence[AccountName]) -> list[ReplayRequest]:
    """Requests of these accounts with a higher number, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, subject FROM trading.audit_events"
            " WHERE id > %s AND action = %s AND subject = ANY(%s) ORDER BY id",
            (number, _REPLAY, list(accounts)),
        )
        return [ReplayRequest(number=row[0], account=AccountName(row[1])) for row in cursor.fetchall()]


def _storable(text: str) -> str:
    return text.replace("\x00", "\\u0000")
