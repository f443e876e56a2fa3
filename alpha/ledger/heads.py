"""Who records which account. The highest epoch does; everybody else is fenced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Connection, Cursor, Fenced, LedgerRefused, transaction

LEASE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHead:
    """The row of one account. `lease_until` and `last_recorded_at` are the database's clock, `last_exec_time` is the
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


def take_account(connection: Connection, account: AccountName, holder: str, ttl_s: float = LEASE_S) -> int:
    """Makes this connection's process the holder, whoever was before, and returns the new epoch.

    Waits for a batch in progress of the old holder; from then on that one is fenced. Call it on the connection that
    will record: its backend is noted.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.account_head AS h (account, epoch, holder, backend_pid, lease_until)
            VALUES (%s, 1, %s, pg_backend_pid(), clock_timestamp() + make_interval(secs => %s))
            ON CONFLICT (account) DO UPDATE SET
                epoch = h.epoch + 1, holder = excluded.holder, backend_pid = excluded.backend_pid,
                lease_until = excluded.lease_until, taken_at = clock_timestamp()
            RETURNING epoch
            """,
            (account, holder, ttl_s),
        )
        row = cursor.fetchone()
    if row is None:
        raise LedgerRefused(f"the head of {account} could not be taken")
    return int(row[0])


def renew_account(connection: Connection, account: AccountName, epoch: int, ttl_s: float = LEASE_S) -> None:
    """Extends the lease. Raises Fenced when the epoch is not the account's any more."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.account_head SET lease_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE account = %s AND epoch = %s",
            (ttl_s, account, epoch),
        )
        if cursor.rowcount != 1:
            raise Fenced((account,))


def account_heads(connection: Connection) -> dict[AccountName, AccountHead]:
    """The head of every account that was ever taken."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT account, epoch, holder, backend_pid, lease_until, lease_until <= clock_timestamp(), fills,
                   last_exec_time, last_recorded_at
            FROM trading.account_head
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


def lock_heads(cursor: Cursor, epochs: Mapping[AccountName, int | None]) -> datetime:
    """Locks the heads of the accounts, in order, until the transaction ends, and returns the database's time.

    Raises Fenced with every account whose epoch is not the given one.
    """
    # The clock is read after each lock is held: of two batches of an account the later one has the later time.
    cursor.execute(
        """
        SELECT account, epoch, clock_timestamp()
        FROM (
            SELECT account, epoch FROM trading.account_head WHERE account = ANY(%s) ORDER BY account FOR UPDATE
        ) AS locked
        """,
        (sorted(epochs),),
    )
    rows: list[tuple[AccountName, int, datetime]] = cursor.fetchall()
    current = {account: epoch for account, epoch, _ in rows}
    fenced = tuple(account for account in sorted(epochs) if current.get(account, 0) != epochs[account])
    if fenced:
        raise Fenced(fenced)
    return max(now for _, _, now in rows)
