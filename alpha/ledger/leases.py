"""One holder per name, on the database's clock."""

from __future__ import annotations

from alpha.ledger.connection import Connection, transaction


def take_lease(connection: Connection, name: str, holder: str, ttl_s: float) -> bool:
    """Whether `holder` now has the lease: it was free, expired, or its own already."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.leases AS l (name, holder, expires_at)
            VALUES (%(name)s, %(holder)s, clock_timestamp() + make_interval(secs => %(ttl)s))
            ON CONFLICT (name) DO UPDATE SET
                holder = excluded.holder, expires_at = excluded.expires_at,
                taken_at = CASE WHEN l.holder = excluded.holder THEN l.taken_at ELSE clock_timestamp() END
            WHERE l.holder = excluded.holder OR l.expires_at <= clock_timestamp()
            """,
            {"name": name, "holder": holder, "ttl": ttl_s},
        )
        return cursor.rowcount == 1


def renew_lease(connection: Connection, name: str, holder: str, ttl_s: float) -> bool:
    """Whether the holder still had the lease and has it for another `ttl_s`. False: it expired or went to another."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            UPDATE trading.leases SET expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
            WHERE name = %(name)s AND holder = %(holder)s AND expires_at > clock_timestamp()
            """,
            {"name": name, "holder": holder, "ttl": ttl_s},
        )
        return cursor.rowcount == 1


def release_lease(connection: Connection, name: str, holder: str) -> bool:
    """Gives the lease back at once. False when the holder did not have it."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.leases SET expires_at = clock_timestamp()"
            " WHERE name = %s AND holder = %s AND expires_at > clock_timestamp()",
            (name, holder),
        )
        return cursor.rowcount == 1
