"""How the database itself is: connections, size, what is behind, and PgBouncer's pools."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from alpha.ledger.connection import Connection, Dsn, LedgerError, connect, transaction

_POOLER_DATABASE = "pgbouncer"
_POOLER_ANSWERS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStanding:
    """`connections` of `most_connections` are open, those of other databases included. `lag_s` is how long the newest
    fill took from its arrival to its row; `last_recorded_at` is the database's clock. Both are None without a fill."""

    version: str
    size_bytes: int
    connections: int
    most_connections: int
    migration: str
    fills: int
    last_recorded_at: datetime | None
    lag_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStanding:
    """Of PgBouncer's pools for our database, together: clients served now and waiting, server connections, and how long
    the oldest client has waited, in seconds."""

    clients_active: int
    clients_waiting: int
    servers: int
    waiting_s: float


def database_standing(connection: Connection) -> DatabaseStanding:
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT current_setting('server_version'), pg_database_size(current_database()),
                   (SELECT sum(numbackends) FROM pg_stat_database)::int,
                   current_setting('max_connections')::int,
                   (SELECT name FROM trading.migrations ORDER BY version DESC LIMIT 1),
                   (SELECT coalesce(sum(fills), 0)::bigint FROM trading.account_head),
                   (SELECT max(last_recorded_at) FROM trading.account_head)
            """
        )
        ((version, size, connections, most, migration, fills, recorded),) = cursor.fetchall()
        cursor.execute(
            """
            SELECT extract(epoch FROM f.recorded_at - f.received_at)
            FROM trading.bot_heads AS h
            CROSS JOIN LATERAL (
                SELECT received_at, recorded_at FROM trading.fills AS f
                WHERE f.bot = h.bot AND f.bot_seq = h.last_seq LIMIT 1
            ) AS f
            ORDER BY f.recorded_at DESC LIMIT 1
            """
        )
        lag = cursor.fetchone()
    return DatabaseStanding(
        version=version.split()[0],
        size_bytes=size,
        connections=connections,
        most_connections=most,
        migration=migration or "",
        fills=fills,
        last_recorded_at=recorded,
        lag_s=None if lag is None else max(0.0, float(lag[0])),
    )


def pool_standing(dsn: Dsn) -> PoolStanding | None:
    """Asks PgBouncer's own console (https://www.pgbouncer.org/usage.html#show-pools), which tells members of its
    stats_users only. None where it does not answer or does not tell this login."""
    try:
        with closing(connect(replace(dsn, dbname=_POOLER_DATABASE), "alpha-pools", pooled=True)) as connection:
            # The console knows neither transactions nor SET.
            connection.autocommit = True
            return _pools(connection, dsn.dbname)
    except LedgerError:
        return None


def _pools(connection: Connection, database: str) -> PoolStanding | None:
    import psycopg2

    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW POOLS")
            names = [column.name for column in cursor.description or ()]
            rows: list[Mapping[str, object]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except psycopg2.Error:
        return None
    mine = [row for row in rows if row.get("database") == database]
    return PoolStanding(
        clients_active=sum(_count(row, "cl_active") for row in mine),
        clients_waiting=sum(_count(row, "cl_waiting") for row in mine),
        servers=sum(_count(row, name) for row in mine for name in ("sv_active", "sv_idle", "sv_used")),
        waiting_s=max((float(_count(row, "maxwait")) for row in mine), default=0.0),
    )


def _count(row: Mapping[str, object], name: str) -> int:
    return int(str(row.get(name, 0)))
