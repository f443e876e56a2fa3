"""What the watches see wrong now, kept so that a restart of theirs alerts nothing twice."""

from __future__ import annotations

from alpha.ledger.connection import Connection, transaction


def open_concerns(connection: Connection) -> dict[tuple[str, str], str]:
    """(kind, subject) -> what was said of it."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT kind, subject, text FROM trading.concerns")
        return {(kind, subject): text for kind, subject, text in cursor.fetchall()}


def open_concern(connection: Connection, kind: str, subject: str, text: str) -> bool:
    """Whether it is new."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.concerns (kind, subject, text) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (kind, subject, text),
        )
        return cursor.rowcount == 1


def close_concern(connection: Connection, kind: str, subject: str) -> None:
    with transaction(connection) as cursor:
        cursor.execute("DELETE FROM trading.concerns WHERE kind = %s AND subject = %s", (kind, subject))
