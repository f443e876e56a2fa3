"""The exchange's closed P&L as it is stored: one row per closing order, brought up to date while it goes on filling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.exchange.account_books import ClosedPnl
from alpha.ledger.connection import Connection, transaction

_KEY = ("account", "category", "symbol", "order_id", "created_at")
_TOLD = (
    "updated_at",
    "side",
    "order_type",
    "exec_type",
    "quantity",
    "closed_quantity",
    "entry_value",
    "entry_price",
    "exit_value",
    "exit_price",
    "closed_pnl",
    "open_fee",
    "close_fee",
    "fill_count",
    "leverage",
)
_COLUMNS = (*_KEY, *_TOLD)
# Bybit stamps a fill, its order and its closed P&L one after the other.
_CLOCKS_APART = timedelta(minutes=1)


def save_completed_trades(connection: Connection, rows: Sequence[ClosedPnl]) -> int:
    """Stores rows; one that is there already takes what is told now unless it is older. Returns how many were new or
    changed."""
    if not rows:
        return 0
    told = {(row.category, row.symbol, row.order_id, row.created_at): row for row in rows}
    with transaction(connection) as cursor:
        changed = execute_values(
            cursor,
            f"""
            INSERT INTO trading.completed_trades AS c ({", ".join(_COLUMNS)}) VALUES %s
            ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
            SET {", ".join(f"{name} = excluded.{name}" for name in _TOLD)}, synced_at = clock_timestamp()
            WHERE excluded.updated_at >= c.updated_at AND ({", ".join(f"c.{name}" for name in _TOLD)})
                IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _TOLD)})
            RETURNING order_id
            """,
            [tuple(getattr(row, name) for name in _COLUMNS) for row in told.values()],
            page_size=1000,
            fetch=True,
        )
    return len(changed)


def name_owners(connection: Connection, account: AccountName, since: datetime, until: datetime) -> int:
    """Gives the rows created in [since, until] (market clock) that have no bot yet the owner of their order's fills,
    where the ledger has these by now. Returns how many got one."""
    # In three steps and not as one join: right after many rows were inserted the planner knows nothing of them, and
    # looks through all fills for each.
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT array_agg(order_id), min(created_at), max(updated_at) FROM trading.completed_trades"
            " WHERE account = %s AND created_at BETWEEN %s AND %s AND bot IS NULL",
            (account, since, until),
        )
        order_ids, first, last = cursor.fetchone() or (None, None, None)
        if not order_ids:
            return 0
        cursor.execute(
            "SELECT order_id, min(bot) FROM trading.owned_fills WHERE account = %s AND exec_time BETWEEN %s AND %s"
            " AND order_id = ANY(%s) AND bot IS NOT NULL GROUP BY order_id",
            (account, first, last, order_ids),
        )
        owners = cursor.fetchall()
        if not owners:
            return 0
        cursor.execute(
            "UPDATE trading.completed_trades AS c SET bot = o.bot"
            " FROM unnest(%s::text[], %s::text[]) AS o (order_id, bot)"
            " WHERE c.account = %s AND c.created_at BETWEEN %s AND %s AND c.order_id = o.order_id AND c.bot IS NULL",
            ([order_id for order_id, _ in owners], [bot for _, bot in owners], account, since, until),
        )
        return cursor.rowcount


def oldest_unfinished(connection: Connection, account: AccountName, before: datetime) -> datetime | None:
    """When the oldest row from before then was created (market clock) that the exchange tells differently now, or soon
    may: its order still works, or our fills of that order close more than the row. None when there is none."""
    # The last state of a closing order is never before its last fill, so only rows that are older than their order's
    # have their fills summed, and only those of the time in which it worked: fills have no index by order.
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT min(c.created_at)
            FROM (
                SELECT order_id, symbol, min(created_at) AS created_at, max(updated_at) AS updated_at,
                       sum(closed_quantity) AS closed_quantity
                FROM trading.completed_trades WHERE account = %(account)s AND created_at < %(before)s
                GROUP BY order_id, symbol
            ) AS c
            JOIN trading.orders AS o ON o.account = %(account)s AND o.order_id = c.order_id AND o.symbol = c.symbol
            WHERE o.status IN ('New', 'PartiallyFilled', 'Triggered', 'Untriggered')
                OR (
                    o.updated_at > c.updated_at
                    AND c.closed_quantity < (
                        SELECT sum(f.closed_quantity) FROM trading.fills AS f
                        WHERE f.account = %(account)s AND f.order_id = c.order_id AND f.symbol = c.symbol
                            AND f.exec_time BETWEEN c.created_at - %(apart)s AND o.updated_at + %(apart)s
                    )
                )
            """,
            {"account": account, "before": before, "apart": _CLOCKS_APART},
        )
        row = cursor.fetchone()
    return row[0] if row else None


def completed_between(
    connection: Connection, account: AccountName, since: datetime, until: datetime
) -> list[ClosedPnl]:
    """The account's rows whose last closing fill was at since <= updated_at < until (market clock), oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM trading.completed_trades"
            " WHERE account = %s AND updated_at >= %s AND updated_at < %s ORDER BY updated_at, order_id",
            (account, since, until),
        )
        rows = [dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()]
    return [ClosedPnl(**row | {"side": Side(row["side"])}) for row in rows]
