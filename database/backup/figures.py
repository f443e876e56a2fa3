"""What a backup is compared by: the rows of every table, and the money in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

from alpha.ledger.connection import Connection, transaction

# (figure, table, expression). Sums are numeric, so equal rows have equal sums to the last digit. Tables that a database
# of before their migration does not have are left out.
_SUMS = (
    ("fills.fees", "fills", "sum(fee)"),
    ("fills.notional", "fills", "sum(notional)"),
    ("fills.quantity", "fills", "sum(quantity)"),
    ("trades.gross_pnl", "trades", "sum(gross_pnl)"),
    ("trades.net_pnl", "trades", "sum(net_pnl)"),
    ("books.realized_pnl", "books", "sum(realized_pnl)"),
    ("books.funding", "books", "sum(funding)"),
    ("completed_trades.closed_pnl", "completed_trades", "sum(closed_pnl)"),
)
_PER_BOT = (
    "SELECT bot, trim_scale(sum(realized_pnl - fees + funding))::text FROM trading.books GROUP BY bot ORDER BY bot"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one database at one moment. Money as exact decimal text."""

    rows: Mapping[str, int]
    """Table of schema trading -> rows; a partitioned table counts as one."""
    sums: Mapping[str, str]
    net_pnl: Mapping[str, str] = field(default_factory=dict)
    """Bot -> all that it ever earned, after fees and funding."""

    def to_json(self) -> dict[str, dict[str, int] | dict[str, str]]:
        return {"rows": dict(self.rows), "sums": dict(self.sums), "net_pnl": dict(self.net_pnl)}


def figures_of(connection: Connection) -> Figures:
    """Counts and sums, inside of the caller's transaction where there is one."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'trading' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname"
        )
        tables = [name for (name,) in cursor.fetchall()]
        rows: dict[str, int] = {}
        for table in tables:
            cursor.execute(sql.SQL("SELECT count(*) FROM trading.{}").format(sql.Identifier(table)))
            rows[table] = int(_one(cursor.fetchone()))
        sums: dict[str, str] = {}
        for name, table, expression in _SUMS:
            if table in rows:
                cursor.execute(
                    sql.SQL("SELECT trim_scale(coalesce({}, 0))::text FROM trading.{}").format(
                        sql.SQL(expression), sql.Identifier(table)
                    )
                )
                sums[name] = str(_one(cursor.fetchone()))
        net_pnl = {}
        if "books" in rows:
            cursor.execute(_PER_BOT)
            net_pnl = dict(cursor.fetchall())
    return Figures(rows=rows, sums=sums, net_pnl=net_pnl)


def differences(expected: Figures, found: Figures) -> list[str]:
    """One sentence for each figure that is not the same in both; empty when they are equal."""
    said = []
    for kind in ("rows", "sums", "net_pnl"):
        want: Mapping[str, object] = getattr(expected, kind)
        have: Mapping[str, object] = getattr(found, kind)
        for name in sorted(want.keys() | have.keys()):
            if want.get(name) != have.get(name):
                said.append(f"{kind} of {name}: {_words(want.get(name))} expected, {_words(have.get(name))} found")
    return said


def _one(row: tuple[Any, ...] | None) -> Any:
    assert row is not None, "an aggregate answers with a row"
    return row[0]


def _words(value: object) -> str:
    return "none" if value is None else str(value)
