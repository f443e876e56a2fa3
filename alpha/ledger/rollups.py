"""What keeps a ledger of years quick: closed days folded, indexes packed; sums cut in another zone or made anew.

Triggers keep `trading.bot_symbol_days` in the transactions that change fills, owners and round trips; nothing here is
needed for a sum to be right.
"""

from __future__ import annotations

from alpha.ledger.connection import Connection, transaction

_DAYS_AT_ONCE = 31


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


def pack_indexes(connection: Connection) -> int:
    """Makes indexes of fills anew that have grown by an eighth since, or never were: they then take two thirds of the
    room. Answers how many those were. Recording into the month waits while one is made. Of a month of which something
    was recorded in the last seven days they are from 1 MB on, and only while its fills take no more than 256 MB, which
    is about a second each: a larger one is left until it is over.

    Raises LedgerUnavailable when somebody reads one for longer than can be waited for: what is left is for the next
    time. Needs a login of trade_sync_service or of commands, without a time-out shorter than that.
    """
    packed = 0
    while True:
        with transaction(connection) as cursor:
            cursor.execute("SELECT trading.pack_next_index()")
            ((name,),) = cursor.fetchall()
        if name is None:
            return packed
        packed += 1


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
