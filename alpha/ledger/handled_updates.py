"""Which messages and pressed buttons were acted on, so that a second delivery of one does nothing."""

from __future__ import annotations

from alpha.ledger.connection import Connection, transaction

KEPT_DAYS = 3
"""Telegram keeps an undelivered update for a day."""


def claim_update(connection: Connection, subject: str, update_id: int) -> bool:
    """Notes that `subject` (`message:<chat>:<message>`, `callback:<id>`) is acted on; False when it was already."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.handled_updates (subject, update_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (subject, update_id),
        )
        return cursor.rowcount == 1


def forget_old_updates(connection: Connection) -> int:
    """Deletes what Telegram cannot deliver any more. Returns how many."""
    with transaction(connection) as cursor:
        cursor.execute(
            "DELETE FROM trading.handled_updates WHERE at < clock_timestamp() - make_interval(days => %s)",
            (KEPT_DAYS,),
        )
        return int(cursor.rowcount)
