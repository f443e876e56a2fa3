"""The exchange's transaction log as it is stored: entries are facts, inserted once and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.exchange.account_books import LogEntry
from alpha.ledger.connection import Connection, transaction

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
    """What the last entry of each currency before a market time left in the wallet."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (currency) currency, balance FROM trading.account_log"
            " WHERE account = %s AND at < %s ORDER BY currency, at DESC, number DESC",
            (account, at),
        )
        return dict(cursor.fetchall())


def _row(entry: LogEntry) -> tuple[object, ...]:
    values = (getattr(entry, name) for name in _COLUMNS)
    return tuple(value.value if isinstance(value, Side) else "" if value is None else value for value in values)


def _entry(row: Sequence[object]) -> LogEntry:
    values = dict(zip(_COLUMNS, row, strict=True))
    side = values["side"]
    return LogEntry(**values | {"side": Side(side) if side else None})  # type: ignore[arg-type]
