"""What keeps a ledger of years quick: closed days folded, indexes packed; sums cut in another zone or made anew.

Triggers keep `trading.bot_symbol_days` in the transactions that change fills, owners and round trips; nothing here is
needed for a sum to be right.
"""

from __future__ import annotations

import re
from datetime import date

from psycopg2 import Error, sql

from alpha.ledger.connection import Connection, LedgerRefused, LedgerUnavailable, single_statement, transaction

_DAYS_AT_ONCE = 31
# Below what the listener waits for a statement (8 s): it is then late, and not without a ledger.
_INDEX_WITHIN_S = 5
_QUERY_CANCELED = "57014"
_INDEX_OF_MONTH = re.compile(r"REINDEX INDEX trading\.(\w+)")
# An index that was being made beside others when that was cut off (https://www.postgresql.org/docs/16/sql-reindex.html,
# "Rebuilding Indexes Concurrently").
_CUT_OFF = "(_ccnew|_ccold)[0-9]*$"


class IndexTakesTooLong(LedgerUnavailable):
    """An index was not made anew within the time for which recording may wait. It is as it was."""


def fold_closed_days(connection: Connection) -> int:
    """Folds every closed day that changed since it was folded, once more per bot and over all of them; answers how many
    days those were. A few at a time, each in a transaction of its own: a fill that comes late for one waits no longer.

    A day that somebody records a fill of at that very moment is left for the next time. Views are right without it, and
    slower for the days that wait. Needs a login of the listener, of trade_sync_service
    or of commands.
    """
    folded = 0
    while True:
        with transaction(connection) as cursor:
            cursor.execute("SELECT trading.fold_closed_days(%s)", (_DAYS_AT_ONCE,))
            ((days,),) = cursor.fetchall()
        # Fewer than asked for are not the last: days may have been left out among them.
        if not days:
            return folded
        folded += int(days)


def pack_indexes(connection: Connection, within_s: int = _INDEX_WITHIN_S) -> int:
    """Makes indexes of fills anew that have grown by an eighth since, or never were: they then take two thirds of the
    room. Answers how many those were. All recording waits while one is made, since its statements open the indexes of
    every month; so each is given up after `within_s`. Of a month of which something was recorded in the last seven days
    they are from 1 MB on, and only while its fills take no more than 256 MB, which is about a second each: a larger one
    is left until it is over.

    Raises IndexTakesTooLong, and LedgerUnavailable when somebody reads one for longer than can be waited for: what is
    left is for the next time. Needs a login of trade_sync_service or of commands.
    """
    packed = 0
    while True:
        try:
            with transaction(connection) as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", (f"{within_s}s",))
                cursor.execute("SELECT trading.pack_next_index()")
                ((name,),) = cursor.fetchall()
        except LedgerUnavailable as error:
            if error.sqlstate == _QUERY_CANCELED:
                raise IndexTakesTooLong(
                    f"{_index_at_work(error)} is not made anew within {within_s} s, for which recording waits",
                    sqlstate=error.sqlstate,
                ) from error
            raise
        if name is None:
            return packed
        packed += 1


def pack_month(connection: Connection, month: date) -> int:
    """Makes all indexes of a month of fills anew while everybody goes on reading and recording, which takes longer than
    `pack_indexes` does and has no limit of time. Answers how many those were. What an earlier try left when it was cut
    off is dropped first.

    Needs the owner's login. Raises LedgerRefused when there are no fills of that month.
    """
    table = f"fills_{month:%Y_%m}"
    with transaction(connection) as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"trading.{table}",))
        if cursor.fetchone() != (True,):
            raise LedgerRefused(f"there are no fills of {month:%Y-%m}")
        cursor.execute(
            "SELECT i.relname, i.relname ~ %s, pg_relation_size(i.oid) FROM pg_index AS x"
            " JOIN pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = %s::regclass ORDER BY i.relname",
            (_CUT_OFF, f"trading.{table}"),
        )
        found = cursor.fetchall()
    packed = 0
    with single_statement(connection) as cursor:
        cursor.execute("SET statement_timeout = 0")
        for name, is_cut_off, bytes_before in found:
            index = sql.Identifier("trading", name)
            if is_cut_off:
                cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(index))
                continue
            cursor.execute(sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(index))
            cursor.execute(
                """
                INSERT INTO trading.packed_indexes (name, bytes_before, bytes)
                VALUES (%s, %s, pg_relation_size(%s::regclass))
                ON CONFLICT (name) DO UPDATE
                SET bytes_before = excluded.bytes_before, bytes = excluded.bytes, packed_at = excluded.packed_at
                """,
                (name, bytes_before, f"trading.{name}"),
            )
            packed += 1
    return packed


def _index_at_work(error: LedgerUnavailable) -> str:
    """The index that was being made when a statement was cancelled, where PostgreSQL says it."""
    cause = error.__cause__
    said = _INDEX_OF_MONTH.search((cause.diag.context or "") if isinstance(cause, Error) else "")
    return said[1] if said else "an index of a month of fills"


def reporting_zone(connection: Connection) -> str:
    """The zone, besides UTC, in which views cut days, for example `Europe/Berlin`."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT zone FROM trading.reporting_zone")
        ((name,),) = cursor.fetchall()
    return str(name)


def set_reporting_zone(connection: Connection, name: str) -> int:
    """Cuts days in another zone from now on, also those of the past: all sums are made anew, and recording waits for
    that. Answers how many rows of sums there are. Raises LedgerRefused for a zone that PostgreSQL does not know."""
    with transaction(connection) as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT trading.set_reporting_zone(%s)", (name,))
        ((rows,),) = cursor.fetchall()
    return int(rows)


def rebuild_rollups(connection: Connection) -> int:
    """Makes all sums anew from fills and round trips, where a check said that they are not what these say; recording
    waits for that. Answers how many rows of sums there are."""
    with transaction(connection) as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT trading.rebuild_rollups()")
        ((rows,),) = cursor.fetchall()
    return int(rows)
