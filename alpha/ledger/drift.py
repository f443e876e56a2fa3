from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

import orjson
from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.connection import Connection, Cursor, as_json, transaction


@unique
class DriftKind(StrEnum):
    FILL_CONTENT = "fill_content"
    """The exchange told one execution twice, with different content."""
    FILL_TIME = "fill_time"
    """One execution id at two times."""
    POSITION = "position"
    """The fold of the fills is not the exchange's position."""
    MISSING_FILL = "missing_fill"
    EXTRA_FILL = "extra_fill"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A disagreement with the exchange. `subject` is what it is about (exec id, symbol), `detail` what each says."""

    kind: DriftKind
    account: AccountName
    subject: str
    detail: Mapping[str, object]
    bot: BotId | None = None
    symbol: Symbol | None = None
    blocks_entries: bool = True

    @property
    def fingerprint(self) -> str:
        """Equal for the same finding made again."""
        content = orjson.dumps(dict(self.detail), default=str, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDrift:
    """A finding that is neither resolved nor accepted. Times are the database's."""

    number: int
    finding: Finding
    found_at: datetime
    last_seen_at: datetime
    times: int


def add_drift(connection: Connection, findings: Sequence[Finding]) -> int:
    """Stores the findings; one that is open already is counted there. Returns how many were new."""
    with transaction(connection) as cursor:
        return insert_drift(cursor, findings)


def insert_drift(cursor: Cursor, findings: Sequence[Finding]) -> int:
    """`add_drift` inside a transaction of the caller's."""
    distinct = {(each.account, each.kind, each.subject, each.fingerprint): each for each in findings}
    if not distinct:
        return 0
    rows = execute_values(
        cursor,
        """
        INSERT INTO trading.drift AS d (kind, account, bot, symbol, subject, detail, fingerprint, blocks_entries)
        VALUES %s
        ON CONFLICT (account, kind, subject, fingerprint) WHERE resolved_at IS NULL
            DO UPDATE SET times = d.times + 1, last_seen_at = clock_timestamp()
        RETURNING times
        """,
        [
            (
                each.kind.value,
                each.account,
                each.bot,
                each.symbol,
                each.subject,
                as_json(dict(each.detail)),
                fingerprint,
                each.blocks_entries,
            )
            for (_, _, _, fingerprint), each in sorted(distinct.items())
        ],
        page_size=1000,
        fetch=True,
    )
    return sum(1 for (times,) in rows if times == 1)


def open_drift(connection: Connection, account: AccountName | None = None) -> list[OpenDrift]:
    """What disagrees now, oldest first; of every account for None."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, kind, account, bot, symbol, subject, detail, blocks_entries, found_at, last_seen_at, times"
            " FROM trading.drift"
            " WHERE resolved_at IS NULL AND (%(account)s::text IS NULL OR account = %(account)s) ORDER BY id",
            {"account": account},
        )
        return [
            OpenDrift(
                number=row[0],
                finding=Finding(
                    kind=DriftKind(row[1]),
                    account=row[2],
                    bot=row[3],
                    symbol=row[4],
                    subject=row[5],
                    detail=row[6],
                    blocks_entries=row[7],
                ),
                found_at=row[8],
                last_seen_at=row[9],
                times=row[10],
            )
            for row in cursor.fetchall()
        ]


def blocked_bots(connection: Connection) -> frozenset[BotId]:
    """Bots with open drift that forbids them new entries."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT DISTINCT bot FROM trading.drift WHERE resolved_at IS NULL AND blocks_entries AND bot IS NOT NULL"
        )
        return frozenset(BotId(bot) for (bot,) in cursor.fetchall())


def resolve_drift(connection: Connection, numbers: Sequence[int], *, by: str, resolution: str) -> int:
    """Closes findings: they agree again, or a person accepts them. Returns how many were open."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.drift SET resolved_at = clock_timestamp(), resolved_by = %s, resolution = %s"
            " WHERE id = ANY(%s) AND resolved_at IS NULL",
            (by, resolution, list(numbers)),
        )
        return cursor.rowcount
