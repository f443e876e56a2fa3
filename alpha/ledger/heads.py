"""Who records which account. The highest epoch does; everybody else is fenced.

The epoch is in the account's head, which every write for the account locks first. The lease is in a row of its own and
decides only when somebody else may raise the epoch: who was too slow to renew it loses time, never a fill.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from alpha.domain.ids import AccountName
from alpha.ledger.connection import (
    LOCK_NOT_AVAILABLE,
    Connection,
    Cursor,
    Fenced,
    LedgerUnavailable,
    single_statement,
    transaction,
)
from alpha.ledger.prepared import PreparedStatement, text_array

LEASE_S = 1.0
# A lease that ends later than any could is one from before the database's clock was set back: without this nobody would
# take the account for as long as the step.
_EXPIRED = "(lease_until <= clock_timestamp() OR lease_until > clock_timestamp() + interval '1 minute')"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHead:
    """The rows of one account. `lease_until` and `last_recorded_at` are the database's clock, `last_exec_time` is the
    market time of the newest fill, `fills` how many were recorded."""

    account: AccountName
    epoch: int
    holder: str
    backend_pid: int
    lease_until: datetime
    lease_expired: bool
    fills: int
    last_exec_time: datetime | None
    last_recorded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds an account and for how many more seconds, by the database's clock; 0 when everybody may take it."""

    account: AccountName
    epoch: int
    holder: str
    remaining_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What came of an attempt: the new epochs of the accounts that were taken, and those whose lease has expired but
    whose rows somebody keeps locked."""

    epochs: Mapping[AccountName, int]
    blocked: frozenset[AccountName]


def take_account(connection: Connection, account: AccountName, holder: str, ttl_s: float = LEASE_S) -> int:
    """Makes `holder` the holder, whoever was before and whatever its lease, and returns the new epoch.

    Waits for a batch in progress of the old holder; from then on that one is fenced. For who knows that nobody else
    should write; a listener uses `take_expired`.
    """
    with transaction(connection) as cursor:
        epochs = _raise_epochs(cursor, {account: 0}, holder)
        _lease(cursor, epochs, ttl_s)
    return epochs[account]


def take_expired(
    connection: Connection,
    accounts: Collection[AccountName],
    holder: str,
    ttl_s: float = LEASE_S,
    *,
    above: Mapping[AccountName, int] = MappingProxyType({}),
) -> Taking:
    """Takes those of the accounts whose lease has expired or was never given. Never waits for a row: an account that
    somebody is busy with is answered as blocked, and asked for again. While all recording is held up
    (`rebuild_rollups`) none is taken, and none is blocked by its holder.

    `above`: epochs that were met elsewhere, which the new one has to exceed. They are larger than the ledger's own when
    the ledger is an older copy of itself.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.account_leases (account, epoch, lease_until)"
            " SELECT account, 0, '-infinity' FROM unnest(%s::text[]) AS a (account) ON CONFLICT DO NOTHING",
            (sorted(accounts),),
        )
    try:
        return _take_expired(connection, accounts, holder, ttl_s, above)
    except LedgerUnavailable as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        return Taking(epochs={}, blocked=frozenset())


def _take_expired(
    connection: Connection,
    accounts: Collection[AccountName],
    holder: str,
    ttl_s: float,
    above: Mapping[AccountName, int],
) -> Taking:
    with transaction(connection) as cursor:
        # Whoever takes also renews, and leases are short.
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        # The condition is tested on the row as it is once it is locked: a lease renewed meanwhile is not taken.
        cursor.execute(
            f"SELECT account FROM trading.account_leases WHERE account = ANY(%s) AND {_EXPIRED}"
            " ORDER BY account FOR UPDATE SKIP LOCKED",
            (sorted(accounts),),
        )
        expired = _accounts(cursor)
        cursor.execute(
            "SELECT account FROM trading.account_head WHERE account = ANY(%s) ORDER BY account FOR UPDATE SKIP LOCKED",
            (sorted(expired),),
        )
        unlocked = _accounts(cursor)
        cursor.execute("SELECT account FROM trading.account_head WHERE account = ANY(%s)", (sorted(expired),))
        free = expired - (_accounts(cursor) - unlocked)
        epochs = _raise_epochs(cursor, {account: above.get(account, 0) for account in free}, holder)
        _lease(cursor, epochs, ttl_s)
        cursor.execute(
            f"SELECT account FROM trading.account_leases WHERE account = ANY(%s) AND {_EXPIRED}",
            (sorted(accounts),),
        )
        return Taking(epochs=epochs, blocked=frozenset(_accounts(cursor)))


def renew_leases(
    connection: Connection, epochs: Mapping[AccountName, int], ttl_s: float = LEASE_S
) -> frozenset[AccountName]:
    """Extends the leases of all accounts in one statement, also expired ones, and returns the accounts that are lost:
    whose lease is another epoch's."""
    # A row that somebody has locked is about to change hands, or was about to: the next renewal tells. Nobody waits for
    # the disk: a renewal that a crash of the server forgets only ends the lease earlier. In one message, and so in one
    # transaction: this is asked several times a second for as long as a listener lives.
    with single_statement(connection) as cursor:
        cursor.execute(
            """
            SET LOCAL synchronous_commit = off;
            WITH held AS (
                SELECT * FROM unnest(%(accounts)s::text[], %(epochs)s::bigint[]) AS h (account, epoch)
            ), mine AS (
                SELECT account FROM trading.account_leases AS l JOIN held USING (account, epoch)
                ORDER BY account FOR UPDATE OF l SKIP LOCKED
            ), renewed AS (
                UPDATE trading.account_leases AS l
                SET lease_until = clock_timestamp() + make_interval(secs => %(ttl_s)s)
                FROM mine WHERE l.account = mine.account
            )
            SELECT held.account FROM held LEFT JOIN trading.account_leases AS l USING (account)
            WHERE l.epoch IS DISTINCT FROM held.epoch
            """,
            {"accounts": list(epochs), "epochs": list(epochs.values()), "ttl_s": ttl_s},
        )
        return frozenset(_accounts(cursor))


def release_leases(connection: Connection, epochs: Mapping[AccountName, int]) -> None:
    """Ends the leases that are still of these epochs, so that another listener need not wait."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.account_leases AS l SET lease_until = clock_timestamp()"
            " FROM unnest(%s::text[], %s::bigint[]) AS h (account, epoch)"
            " WHERE l.account = h.account AND l.epoch = h.epoch AND l.lease_until > clock_timestamp()",
            (list(epochs), list(epochs.values())),
        )


def leases(connection: Connection, accounts: Collection[AccountName]) -> dict[AccountName, Lease]:
    """The leases of these accounts, without those that were never taken."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT account, epoch, holder,
                   CASE WHEN {_EXPIRED} THEN 0 ELSE extract(epoch FROM lease_until - clock_timestamp()) END::float8
            FROM trading.account_leases AS l JOIN trading.account_head USING (account, epoch)
            WHERE account = ANY(%s)
            """,
            (list(accounts),),
        )
        return {
            account: Lease(account=account, epoch=epoch, holder=holder, remaining_s=remaining_s)
            for account, epoch, holder, remaining_s in cursor.fetchall()
        }


def end_blockers(connection: Connection, accounts: Iterable[AccountName]) -> list[int]:
    """Ends the backends that keep the rows of these accounts locked, and returns their process ids. For accounts whose
    lease has expired: the holder was stopped or cut off inside a transaction, which would otherwise last for as long.
    """
    # Who locks a row has its transaction's id in the row, and holds a lock on that id. pg_blocking_pids() would need a
    # session that waits, and so a second connection and a thread.
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT pid, pg_terminate_backend(pid)
            FROM (
                SELECT xmax FROM trading.account_head WHERE account = ANY(%(accounts)s)
                UNION SELECT xmax FROM trading.account_leases WHERE account = ANY(%(accounts)s)
            ) AS rows
            JOIN pg_locks AS l ON l.transactionid = rows.xmax
            WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
                AND l.pid <> pg_backend_pid()
            """,
            {"accounts": list(accounts)},
        )
        return [pid for pid, _ in cursor.fetchall()]


def account_heads(connection: Connection) -> dict[AccountName, AccountHead]:
    """The head of every account that was ever taken."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT account, h.epoch, holder, backend_pid, lease_until, lease_until <= clock_timestamp(), fills,
                   last_exec_time, last_recorded_at
            FROM trading.account_head AS h JOIN trading.account_leases USING (account)
            """
        )
        return {
            row[0]: AccountHead(
                account=row[0],
                epoch=row[1],
                holder=row[2],
                backend_pid=row[3],
                lease_until=row[4],
                lease_expired=row[5],
                fills=row[6],
                last_exec_time=row[7],
                last_recorded_at=row[8],
            )
            for row in cursor.fetchall()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedHeads:
    """What the heads say once nobody else can write for the accounts. `at` is the database's clock, read after the
    locks were held: of two batches of an account the later one has the later time."""

    at: datetime
    books_versions: Mapping[AccountName, int]
    fills: Mapping[AccountName, int]


LOCK_HEADS = PreparedStatement(
    "lock_heads",
    "(text[]) AS"
    " SELECT account, epoch, books_version, fills, clock_timestamp() FROM"
    " (SELECT account, epoch, books_version, fills FROM trading.account_head"
    " WHERE account = ANY($1) ORDER BY account FOR UPDATE) AS locked",
)


def lock_heads(cursor: Cursor, epochs: Mapping[AccountName, int | None]) -> LockedHeads:
    """Locks the heads of the accounts, in order, until the transaction ends.

    Raises Fenced with every account whose epoch is not the given one; the others are locked then all the same.
    """
    LOCK_HEADS.execute(cursor, (text_array(sorted(epochs)),))
    return locked_heads(cursor.fetchall(), epochs)


def locked_heads(
    rows: Sequence[tuple[AccountName, int, int, int, datetime]], epochs: Mapping[AccountName, int | None]
) -> LockedHeads:
    """What the rows of LOCK_HEADS say. Raises Fenced as `lock_heads` does."""
    current = {account: epoch for account, epoch, *_ in rows}
    fenced = tuple(account for account in sorted(epochs) if current.get(account, 0) != epochs[account])
    if fenced:
        raise Fenced(fenced)
    return LockedHeads(
        at=max(row[4] for row in rows),
        books_versions={row[0]: row[2] for row in rows},
        fills={row[0]: row[3] for row in rows},
    )


def books_versions(connection: Connection, accounts: Collection[AccountName]) -> dict[AccountName, int]:
    """The version of the books of each account that was ever taken."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT account, books_version FROM trading.account_head WHERE account = ANY(%s)", (list(accounts),)
        )
        return dict(cursor.fetchall())


def _raise_epochs(cursor: Cursor, above: Mapping[AccountName, int], holder: str) -> dict[AccountName, int]:
    cursor.execute(
        """
        INSERT INTO trading.account_head AS h (account, epoch, holder, backend_pid)
        SELECT account, above + 1, %s, pg_backend_pid()
        FROM unnest(%s::text[], %s::bigint[]) AS a (account, above) ORDER BY account
        ON CONFLICT (account) DO UPDATE SET
            epoch = greatest(h.epoch + 1, excluded.epoch), holder = excluded.holder, backend_pid = excluded.backend_pid,
            taken_at = clock_timestamp()
        RETURNING account, epoch
        """,
        (holder, list(above), list(above.values())),
    )
    return dict(cursor.fetchall())


def _lease(cursor: Cursor, epochs: Mapping[AccountName, int], ttl_s: float) -> None:
    cursor.execute(
        """
        INSERT INTO trading.account_leases AS l (account, epoch, lease_until)
        SELECT account, epoch, clock_timestamp() + make_interval(secs => %s)
        FROM unnest(%s::text[], %s::bigint[]) AS e (account, epoch) ORDER BY account
        ON CONFLICT (account) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until
        """,
        (ttl_s, list(epochs), list(epochs.values())),
    )


def _accounts(cursor: Cursor) -> set[AccountName]:
    return {account for (account,) in cursor.fetchall()}


def bump_books_versions(cursor: Cursor, accounts: Iterable[AccountName]) -> None:
    """Says that books or opening positions of the accounts were changed other than by recording fills: a recorder that
    has them in memory reads them again. In the transaction that changed them, under the heads' locks."""
    cursor.execute(
        "UPDATE trading.account_head SET books_version = books_version + 1 WHERE account = ANY(%s)",
        (sorted(accounts),),
    )
