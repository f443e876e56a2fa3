"""What keeps a ledger of years quick: closed days folded, indexes packed; sums cut in another zone or made anew.

Triggers keep `trading.bot_symbol_days` in the transactions that change fills, owners and round trips; nothing here is
needed for a sum to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from psycopg2 import Error, sql

from alpha.ledger.connection import (
    LOCK_NOT_AVAILABLE,
    Connection,
    Cursor,
    LedgerRefused,
    LedgerUnavailable,
    single_statement,
    transaction,
)

_DAYS_AT_ONCE = 31
# Below what the listener waits for a statement (8 s): it is then late, and not without a ledger.
INDEX_WITHIN_S = 5
_QUERY_CANCELED = "57014"
_INDEX_OF_MONTH = re.compile(r"REINDEX INDEX trading\.(\w+)")
# An index that was being made beside others when that was cut off (https://www.postgresql.org/docs/16/sql-reindex.html,
# "Rebuilding Indexes Concurrently").
_CUT_OFF = "(_ccnew|_ccold)[0-9]*$"
_MONTH = re.compile(r"fills_\d{4}_\d{2}")
_PACKING_A_MONTH = "hashtextextended('trading.pack_month', 0)"


class IndexTakesTooLong(LedgerUnavailable):
    """Indexes were not made anew within the time for which recording may wait. They are as they were."""


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


def pack_indexes(connection: Connection, within_s: int = INDEX_WITHIN_S) -> int:
    """Makes indexes of fills anew that have grown by an eighth since, or never were: they then take two thirds of the
    room. Answers how many those were. All recording waits while one is made, since its statements open the indexes of
    every month; so each is given up after `within_s`. Of a month of which something was recorded in the last seven days
    they are from 1 MB on, and only while its fills take no more than 256 MB, which is about a second each: a larger one
    is left until it is over.

    Where one takes too long or is read for longer than can be waited for, the rest of its month is left for the next
    time, since what takes long is to read the month, and other months are gone on with. In the end raises
    IndexTakesTooLong, which names all that took too long, or else LedgerUnavailable. Any other failure ends it at once.
    Needs a login of trade_sync_service or of commands.
    """
    packed = 0
    left_out: list[str] = []
    too_long: list[str] = []
    first: LedgerUnavailable | None = None
    while True:
        try:
            with transaction(connection) as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", (f"{within_s}s",))
                cursor.execute("SELECT trading.pack_next_index(left_out => %s)", (left_out,))
                ((name,),) = cursor.fetchall()
        except LedgerUnavailable as error:
            if error.sqlstate not in (_QUERY_CANCELED, LOCK_NOT_AVAILABLE):
                raise
            first = first or error
            index = _index_at_work(error)
            if error.sqlstate == _QUERY_CANCELED:
                too_long.append(index or "an index of a month of fills")
            month = _MONTH.match(index)
            if month is None:
                break
            left_out.append(month[0])
            continue
        if name is None:
            break
        packed += 1
    if too_long:
        are = "is" if len(too_long) == 1 else "are"
        raise IndexTakesTooLong(
            f"{', '.join(too_long)} {are} not made anew within {within_s} s, for which recording waits",
            sqlstate=_QUERY_CANCELED,
        ) from first
    if first is not None:
        raise first
    return packed


def pack_month(connection: Connection, month: date) -> int:
    """Makes all indexes of a month of fills anew while everybody goes on reading and recording, which takes longer than
    `pack_indexes` does and has no limit of time. Answers how many those were. What an earlier try left when it was cut
    off is dropped first.

    Needs the owner's login, directly. Raises LedgerRefused when there are no fills of that month, or while somebody
    packs a month: two at once would wait for each other, and take what the other is making for cut off.
    """
    with _only_one_packs_a_month(connection):
        return _pack_month(connection, month)


@contextmanager
def _only_one_packs_a_month(connection: Connection) -> Iterator[None]:
    with single_statement(connection) as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({_PACKING_A_MONTH})")
        if cursor.fetchone() != (True,):
            raise LedgerRefused("a month is being packed already: wait until that is done")
    try:
        yield
    finally:
        # With the session it ends in any case.
        if not connection.closed:
            with single_statement(connection) as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock({_PACKING_A_MONTH})")


def _pack_month(connection: Connection, month: date) -> int:
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
    """The index that was being made when a statement was cancelled, where PostgreSQL says it, else ""."""
    cause = error.__cause__
    said = _INDEX_OF_MONTH.search((cause.diag.context or "") if isinstance(cause, Error) else "")
    return said[1] if said else ""


def reporting_zone(connection: Connection) -> str:
    """The zone, besides UTC, in which views cut days, for example `Europe/Berlin`."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT zone FROM trading.reporting_zone")
        ((name,),) = cursor.fetchall()
    return str(name)


def set_reporting_zone(connection: Connection, name: str) -> int:
    """Cuts days in another zone from now on, also those of the past: all sums are made anew, and recording waits for
    that. Answers how many rows of sums there are. Raises LedgerRefused for a zone that PostgreSQL does not know, and
    LedgerUnavailable where recording cannot be held up."""
    with _recording_held_up(connection) as cursor:
        cursor.execute("SELECT trading.set_reporting_zone(%s)", (name,))
        ((rows,),) = cursor.fetchall()
    return int(rows)


def rebuild_rollups(connection: Connection) -> int:
    """Makes all sums anew from fills and round trips, where a check said that they are not what these say; recording
    waits for that. Answers how many rows of sums there are. Raises LedgerUnavailable where recording cannot be held
    up."""
    with _recording_held_up(connection) as cursor:
        cursor.execute("SELECT trading.rebuild_rollups()")
        ((rows,),) = cursor.fetchall()
    return int(rows)


@contextmanager
def _recording_held_up(connection: Connection) -> Iterator[Cursor]:
    """A transaction for what holds up all recording, for as long as it takes; it is not waited for long."""
    try:
        with transaction(connection) as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            yield cursor
    except LedgerUnavailable as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        raise LedgerUnavailable(
            "recording could not be held up: somebody is in the middle of a batch or of a change for longer than a "
            "second, or reads and writes fills by hand; nothing was changed, so try again",
            sqlstate=error.sqlstate,
        ) from error
