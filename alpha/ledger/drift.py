from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
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
    CLOSED_QUANTITY = "closed_quantity"
    """A fill closes another quantity of our book than the exchange says it closed."""
    ORDER = "order"
    """An order is not in the state in which the exchange lists it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A disagreement with the exchange. `subject` is what it is about (exec id, symbol), `detail` what each says.

    `same_while` is what stays equal for as long as it is the same disagreement; the whole detail when None. Of a
    position that is the difference: both sides move with every fill and disagree by as much as before.
    """

    kind: DriftKind
    account: AccountName
    subject: str
    detail: Mapping[str, object]
    bot: BotId | None = None
    symbol: Symbol | None = None
    blocks_entries: bool = True
    same_while: Mapping[str, object] | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for the same finding made again."""
        same = self.detail if self.same_while is None else self.same_while
        content = orjson.dumps(dict(same), default=str, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDrift:
    """A finding that is not resolved: the disagreement stands. Times are the database's.

    `accepted` is what a person said who accepted it as it is, or None: then it forbids entries. Whose, `entry_blocks`
    says.
    """

    number: int
    finding: Finding
    found_at: datetime
    last_seen_at: datetime
    times: int
    accepted: str | None = None

    @property
    def blocks(self) -> bool:
        return self.finding.blocks_entries and self.accepted is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBlocks:
    """Bots that may open no risk for a disagreement in the ledger, and the findings that a person accepted as they
    are."""

    bots: frozenset[BotId] = frozenset()
    accepted: tuple[Finding, ...] = ()


def add_drift(connection: Connection, findings: Sequence[Finding]) -> int:
    """Stores the findings; one that is open already, accepted or not, is counted there. Returns how many were new."""
    with transaction(connection) as cursor:
        return insert_drift(cursor, findings)


def add_changed_drift(connection: Connection, finding: Finding, *, by: str) -> bool:
    """`add_drift` of a finding that takes the place of earlier ones about the same subject: those are closed, accepted
    or not. Returns False when a person has accepted exactly this one."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.drift SET resolved_at = clock_timestamp(), resolved_by = %s,"
            " resolution = concat_ws('; ', resolution, 'it differs in another way now')"
            " WHERE account = %s AND kind = %s AND subject = %s AND fingerprint <> %s AND resolved_at IS NULL",
            (by, finding.account, finding.kind.value, finding.subject, finding.fingerprint),
        )
        insert_drift(cursor, [finding])
        cursor.execute(
            "SELECT FROM trading.drift WHERE account = %s AND kind = %s AND subject = %s AND fingerprint = %s"
            " AND resolved_at IS NULL AND resolution IS NOT NULL",
            (finding.account, finding.kind.value, finding.subject, finding.fingerprint),
        )
        return cursor.rowcount == 0


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
            "SELECT id, kind, account, bot, symbol, subject, detail, blocks_entries, found_at, last_seen_at, times,"
            " resolution FROM trading.drift"
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
                accepted=row[11],
            )
            for row in cursor.fetchall()
        ]


def entry_blocks(connection: Connection) -> EntryBlocks:
    """What open drift means for entries now.

    Drift that is no single bot's blocks every bot of its account: until somebody has looked, the position in question
    may be any of theirs.
    """
    with transaction(connection):
        opened = open_drift(connection)
        nobodys = {drift.finding.account for drift in opened if drift.blocks and drift.finding.bot is None}
        bots = {drift.finding.bot for drift in opened if drift.blocks and drift.finding.bot is not None}
        if nobodys:
            bots |= _bots_of(connection, nobodys)
    return EntryBlocks(
        bots=frozenset(bots),
        accepted=tuple(drift.finding for drift in opened if drift.accepted is not None),
    )


def blocked_bots(connection: Connection) -> frozenset[BotId]:
    """Bots with open drift that forbids them new entries."""
    return entry_blocks(connection).bots


def _bots_of(connection: Connection, accounts: Iterable[AccountName]) -> set[BotId]:
    with transaction(connection) as cursor:
        cursor.execute("SELECT bot FROM trading.bots WHERE account = ANY(%s)", (sorted(accounts),))
        return {BotId(bot) for (bot,) in cursor.fetchall()}


def accept_drift(connection: Connection, number: int, *, by: str, why: str) -> bool:
    """A person knows of the disagreement and lets the bots trade on as it is. False when it is not open or accepted
    already.

    It stays open and is counted when it is found again unchanged; a changed one is a new row and blocks again, and so
    is the same one after an agreement in between.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.drift SET resolution = %s WHERE id = %s AND resolved_at IS NULL AND resolution IS NULL",
            (f"accepted by {by}: {why}", number),
        )
        return cursor.rowcount == 1


def resolve_drift(connection: Connection, numbers: Sequence[int], *, by: str, resolution: str) -> int:
    """Closes findings: they agree again, or a person has mended what disagreed. Found again they are new, and block.
    Returns how many were open."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.drift SET resolved_at = clock_timestamp(), resolved_by = %s,"
            " resolution = concat_ws('; ', resolution, %s::text) WHERE id = ANY(%s) AND resolved_at IS NULL",
            (by, resolution, list(numbers)),
        )
        return cursor.rowcount
