"""The sessions that a server holds, as its owner sees and ends them."""

from __future__ import annotations

from alpha.ledger.connection import Connection, transaction


def end_sessions(connection: Connection, application: str) -> int:
    """Ends every session whose application name begins with the words, in the middle of whatever it does. How many.

    For the database's owner or a member of the role of those sessions.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE starts_with(application_name, %s) AND pid <> pg_backend_pid()",
            (application,),
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0
