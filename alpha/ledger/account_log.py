"""The exchange's transaction log as it is stored: entries are facts, inserted once and never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.exchange.account_books import LogEntry
from alpha.ledger.connection import Connection, Cursor, transaction

_COLUMNS = (
    "account",
    "log_id",
    "at",
    "type",
    "sub_type",
    "category",
    "symbol",
    "side",
    "currency",
    "quantity",
    "size",
    "price",
    "funding",
    "fee",
    "fee_rate",
    "cash_flow",
    "change",
    "balance",
    "bonus_change",
    "trade_id",
    "order_id",
    "order_link_id",
)
_NAMES = ", ".join(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of entries: how many were new, and those that are stored with another content."""

    new: int
    differing: tuple[tuple[LogEntry, LogEntry], ...]
    """Pairs of the stored entry and what is told now."""


def add_log_entries(connection: Connection, entries: Sequence[LogEntry]) -> Stored:
    """Stores entries of one account, those that are there already are left as they are. In the order given, which is
    kept for entries of one millisecond."""
    if not entries:
        return Stored(0, ())
    with transaction(connection) as cursor:
        new = execute_values(
            cursor,
            f"INSERT INTO trading.account_log ({_NAMES}) VALUES %s ON CONFLICT (account, log_id) DO NOTHING"
            " RETURNING log_id",
            [_row(entry) for entry in entries],
            page_size=1000,
            fetch=True,
        )
        told = {entry.log_id: entry for entry in entries} if len(new) < len(entries) else {}
        for (log_id,) in new:
            told.pop(log_id, None)
        differing = []
        if told:
            cursor.execute(
                f"SELECT {_NAMES} FROM trading.account_log WHERE account = %s AND log_id = ANY(%s)",
                (entries[0].account, list(told)),
            )
            stored = (_entry(row) for row in cursor.fetchall())
            differing = [(one, told[one.log_id]) for one in stored if one != told[one.log_id]]
    return Stored(len(new), tuple(differing))


def log_between(connection: Connection, account: AccountName, since: datetime, until: datetime) -> list[LogEntry]:
    """The account's entries with since <= at < until (market clock), oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_NAMES} FROM trading.account_log WHERE account = %s AND at >= %s AND at < %s ORDER BY at, number",
            (account, since, until),
        )
        return [_entry(row) for row in cursor.fetchall()]


def log_ids_between(connection: Connection, account: AccountName, since: datetime, until: datetime) -> set[str]:
    """Which entries with since <= at < until (market clock) are stored."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT log_id FROM trading.account_log WHERE account = %s AND at >= %s AND at < %s",
            (account, since, until),
        )
        return {log_id for (log_id,) in cursor.fetchall()}


def balances_before(connection: Connection, account: AccountName, at: datetime) -> dict[str, Decimal]:
    """What the entries before a market time left in the wallet of each currency.

    Entries of one instant come in any order: the last of them is the one from whose balance none of the others begins.
    """
    left: dict[str, Decimal] = {}
    asked: dict[str | None, datetime] = {None: at}
    with transaction(connection) as cursor:
        while asked:
            currency, before = asked.popitem()
            for instant in _last_instants(cursor, account, before, currency):
                end = instant.end()
                if end is None:
                    # They run in a circle, so the balance is what it was before them. The last to arrive tells it
                    # where nothing is before.
                    left[instant.currency] = instant.entries[-1][0]
                    asked[instant.currency] = instant.at
                else:
                    left[instant.currency] = end
    return left


@dataclass(frozen=True, slots=True)
class _Instant:
    """The entries of one currency at one time, as (balance after it, change), in order of arrival."""

    currency: str
    at: datetime
    entries: list[tuple[Decimal, Decimal]]

    def end(self) -> Decimal | None:
        """The balance that they leave; None when they run in a circle through several."""
        ends = [balance for balance, _ in self.entries]
        if len(set(ends)) == 1:
            return ends[0]
        loose = Counter(ends) - Counter(balance - change for balance, change in self.entries)
        return next((balance for balance in reversed(ends) if balance in loose), None)


def _last_instants(cursor: Cursor, account: AccountName, before: datetime, currency: str | None) -> list[_Instant]:
    """The newest of each currency, or of one, before a market time."""
    cursor.execute(
        """
        SELECT l.currency, l.at, array_agg(l.balance ORDER BY l.number), array_agg(l.change ORDER BY l.number)
        FROM (
            SELECT currency, max(at) AS at FROM trading.account_log
            WHERE account = %(account)s AND at < %(before)s AND (currency = %(currency)s OR %(currency)s IS NULL)
            GROUP BY currency
        ) AS newest
        JOIN trading.account_log AS l ON l.account = %(account)s AND l.at = newest.at AND l.currency = newest.currency
        GROUP BY l.currency, l.at
        """,
        {"account": account, "before": before, "currency": currency},
    )
    return [_Instant(name, at, list(zip(ends, changes, strict=True))) for name, at, ends, changes in cursor.fetchall()]


def _row(entry: LogEntry) -> tuple[object, ...]:
    values = (getattr(entry, name) for name in _COLUMNS)
    return tuple(value.value if isinstance(value, Side) else "" if value is None else value for value in values)


def _entry(row: Sequence[object]) -> LogEntry:
    values = dict(zip(_COLUMNS, row, strict=True))
    side = values["side"]
    return LogEntry(**values | {"side": Side(side) if side else None})  # type: ignore[arg-type]
