from __future__ import annotations

from collections.abc import Mapping

from alpha.ledger.connection import Connection, as_json, transaction


def add_audit_event(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    why: str = "",
    detail: Mapping[str, object] | None = None,
) -> int:
    """Writes who did what to what, and why. Append-only. Returns the event's number."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.audit_events (actor, action, subject, why, detail) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id",
            (actor, action, subject, why, as_json(detail or {})),
        )
        (number,) = cursor.fetchone() or (0,)
    return int(number)
