"""Executions that are told again, by the stream, by REST or by both: the same is nothing, other content is drift."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.ledger.connection import Cursor
from alpha.ledger.copying import time_texts
from alpha.ledger.drift import DriftKind, Finding
from alpha.ledger.fill_rows import FILL_COLUMNS, HeardFill, fill_of_row
from alpha.ledger.heads import LOCK_HEADS, LockedHeads, locked_heads
from alpha.ledger.prepared import PreparedStatement, execute_in_turn, text_array

Identity = tuple[AccountName, str, Symbol, ExecId]
"""Account, category, symbol and execution id: what an execution is told by. Its time is not part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A second report of a recorded execution that says something else: field -> (recorded, reported)."""

    account: AccountName
    symbol: Symbol
    exec_id: ExecId
    bot: BotId | None
    differences: Mapping[str, tuple[str, str]]

    def finding(self) -> Finding:
        return Finding(
            kind=DriftKind.FILL_TIME if "exec_time" in self.differences else DriftKind.FILL_CONTENT,
            account=self.account,
            bot=self.bot,
            symbol=self.symbol,
            subject=self.exec_id,
            detail={
                name: {"recorded": recorded, "reported": reported}
                for name, (recorded, reported) in self.differences.items()
            },
        )


@dataclass(frozen=True, slots=True)
class Known:
    """An execution that the ledger has, and whose it is there."""

    fill: Fill
    bot: BotId | None


def distinct(batch: Sequence[HeardFill]) -> tuple[dict[Identity, HeardFill], list[HeardFill]]:
    """The first report of each execution, in execution order, and the other reports."""
    first: dict[Identity, HeardFill] = {}
    repeats = []
    for heard in batch:
        fill = heard.fill
        if first.setdefault((fill.account, fill.category, fill.symbol, fill.exec_id), heard) is not heard:
            repeats.append(heard)
    if not _is_in_order(first.values()):
        first = dict(sorted(first.items(), key=lambda item: item[1].fill.execution_order))
    return first, repeats


def _is_in_order(batch: Iterable[HeardFill]) -> bool:
    """Whether time and `seq` alone show the fills to be in execution order, as they nearly always do."""
    fills = iter(batch)
    before = next(fills).fill
    for heard in fills:
        fill = heard.fill
        if fill.exec_time <= before.exec_time and (fill.exec_time < before.exec_time or fill.seq <= before.seq):
            return False
        before = fill
    return True


# Only the id may be looked up by an index, and only the primary key begins with it. Left the choice, the planner, which
# takes all indexes of a partition that was just made for equally good, may go through all fills of the account for each
# id, with a plan that it keeps.
# An execution that is told again with another time is told with one nearby. Further away than a month it is not looked
# for: each month has an index of its own, and looking through all of them costs more with every month that passes.
# Said as a month before or a month after, it still leaves partitions out and no index can take it: PostgreSQL 18, which
# skips from one account or symbol to the next, takes a range of times for a reason to read a whole month for every id.
SAME_EXECUTION = (
    "f.exec_id = k.exec_id AND f.symbol IS NOT DISTINCT FROM k.symbol"
    " AND f.account IS NOT DISTINCT FROM k.account AND f.category IS NOT DISTINCT FROM k.category"
    " AND (f.exec_time BETWEEN k.exec_time - interval '31 days' AND k.exec_time"
    " OR f.exec_time BETWEEN k.exec_time AND k.exec_time + interval '31 days')"
)
# One row per account with its head, and on each the numbers (from 1) of the ids given that the ledger has, for whatever
# account and symbol: _KNOWN tells which of them are the same execution, and nearly always there is nothing to tell.
# LATERAL with LIMIT is a probe of the unique index per id; a join would let the planner read whole partitions when it
# has no statistics of them yet. Behind a sub-select it does not see how many ids there are: one plan then serves all
# batches, where it would otherwise plan small ones anew each time, which takes longer than the probes.
_LOOK = PreparedStatement(
    "look",
    """
    (text[], text[], timestamptz, timestamptz) AS
    SELECT h.account, h.epoch, h.books_version, h.fills, clock_timestamp(), (
        SELECT array_agg(k.number)
        FROM unnest((SELECT $2)) WITH ORDINALITY AS k (exec_id, number)
        CROSS JOIN LATERAL (
            SELECT FROM trading.fills AS f
            WHERE f.exec_id = k.exec_id AND (
                f.exec_time BETWEEN (SELECT $3) - interval '31 days' AND (SELECT $3)
                OR f.exec_time BETWEEN (SELECT $3) AND (SELECT $4) + interval '31 days'
            )
            LIMIT 1
        ) AS f
    )
    FROM trading.account_head AS h
    WHERE h.account = ANY ($1)
    """,
)
# In a month without statistics a bitmap of both halves of the condition on the time seems cheaper, and costs thrice.
_PROBES_ONLY = "SET LOCAL enable_bitmapscan = off"
_KNOWN = PreparedStatement(
    "known_fills",
    f"""
    (text[], text[], text[], text[], timestamptz[]) AS
    SELECT {", ".join("f." + name for name in FILL_COLUMNS)}, f.bot
    FROM unnest((SELECT $1), (SELECT $2), (SELECT $3), (SELECT $4), (SELECT $5))
        AS k (account, category, symbol, exec_id, exec_time)
    CROSS JOIN LATERAL (
        SELECT * FROM trading.fills AS f
        WHERE {SAME_EXECUTION}
        LIMIT 1
    ) AS f
    """,
)


def lock_and_look(
    cursor: Cursor, epochs: Mapping[AccountName, int | None], told: Mapping[Identity, HeardFill]
) -> tuple[LockedHeads, dict[Identity, Known]]:
    """Locks the heads of the accounts and answers which of the executions the ledger has then, at the time they are
    told with or at another within a month of it.

    Raises Fenced as `lock_heads` does.
    """
    accounts = text_array(sorted(epochs))
    executions = list(told.items())
    times = [heard.fill.exec_time for heard in told.values()]
    ids = text_array([exec_id for _, _, _, exec_id in told])
    execute_in_turn(cursor, _PROBES_ONLY, (LOCK_HEADS, (accounts,)), (_LOOK, (accounts, ids, min(times), max(times))))
    rows = cursor.fetchall()
    heads = locked_heads([row[:5] for row in rows], epochs)
    numbers = rows[0][5]
    return heads, _known_fills(cursor, [executions[number - 1] for number in numbers]) if numbers else {}


def _columns(executions: Sequence[tuple[Identity, HeardFill]]) -> list[str]:
    """Accounts, categories, symbols, ids and times, each as the literal of an array."""
    columns = [text_array(column) for column in zip(*[identity for identity, _ in executions], strict=True)]
    return [*columns, text_array(time_texts([heard.fill.exec_time for _, heard in executions]))]


def _known_fills(cursor: Cursor, executions: Sequence[tuple[Identity, HeardFill]]) -> dict[Identity, Known]:
    _KNOWN.execute(cursor, _columns(executions))
    known = [Known(fill_of_row(row), row[-1]) for row in cursor.fetchall()]
    return {_identity(each.fill): each for each in known}


def conflicts_among(
    first: Mapping[Identity, HeardFill], known: Mapping[Identity, Known], repeats: Sequence[HeardFill]
) -> list[Conflict]:
    """The reports that say something else than the ledger does, or than the batch's own first report."""
    if not known and not repeats:
        return []
    reports = [first[identity] for identity in first if identity in known]
    found = []
    for heard in (*reports, *repeats):
        identity = _identity(heard.fill)
        recorded = known.get(identity) or Known(first[identity].fill, first[identity].attribution.bot)
        differences = recorded.fill.differences(heard.fill)
        if differences:
            fill = recorded.fill
            found.append(
                Conflict(
                    account=fill.account,
                    symbol=fill.symbol,
                    exec_id=fill.exec_id,
                    bot=recorded.bot,
                    differences=differences,
                )
            )
    return found


def _identity(fill: Fill) -> Identity:
    return (fill.account, fill.category, fill.symbol, fill.exec_id)
