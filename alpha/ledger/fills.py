"""The one way into the ledger."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg2.extras import execute_values

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import TradeBook
from alpha.ledger.books import load_books, refold, save_books, save_trades
from alpha.ledger.connection import Connection, Cursor, Fenced, transaction
from alpha.ledger.drift import DriftKind, Finding, insert_drift
from alpha.ledger.fill_rows import (
    FILL_COLUMNS,
    RECORDED_COLUMNS,
    FillSource,
    HeardFill,
    RecordedFill,
    fill_of_row,
    row_of_recorded,
)
from alpha.ledger.folding import ClosedTrade, fold_on
from alpha.ledger.heads import lock_heads
from alpha.ledger.partitions import MonthState, ensure_months, month_of

__all__ = ["Conflict", "Fenced", "FillRecorder", "FillSource", "HeardFill", "RecordResult", "RecordedFill"]

_Identity = tuple[AccountName, str, Symbol, ExecId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A second report of a recorded execution that says something else: field -> (recorded, reported)."""

    account: AccountName
    symbol: Symbol
    exec_id: ExecId
    bot: BotId | None
    differences: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """What one batch did.

    `recorded` is in execution order (per bot: by bot_seq). `trades` are the round trips that were closed or, by a late
    fill, changed; `books` are the books that were touched, as they are now; `refolded` counts those among them that a
    fill came late for. Fills of `stranded_months` went to the default partition: somebody has to move them.
    """

    recorded: list[RecordedFill] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    books: dict[BookKey, TradeBook] = field(default_factory=dict)
    refolded: int = 0
    stranded_months: tuple[date, ...] = ()

    @property
    def unattributed(self) -> int:
        """How many of the recorded fills nobody owns."""
        return sum(1 for recorded in self.recorded if recorded.bot_seq is None)


class FillRecorder:
    """Records batches of fills, each fill exactly once, each batch in one transaction of a handful of statements.

    `epochs` is read at every batch: what this process was given by `heads.take_account`. Whoever writes fills holds the
    lock on the account's head, so what is not there after the lock is new.
    """

    def __init__(self, connection: Connection, epochs: Mapping[AccountName, int]) -> None:
        self._connection = connection
        self._epochs = epochs
        self._present_months: set[date] = set()

    def record(self, batch: Sequence[HeardFill]) -> RecordResult:
        """Records what is new. All or nothing: on any error the ledger is as before.

        Raises Fenced (with the accounts; take them out and repeat the rest), LedgerUnavailable (repeat the batch, also
        when the commit's answer was lost) or LedgerRefused.
        """
        if not batch:
            return RecordResult()
        distinct, repeats = _distinct(batch)
        accounts = {heard.fill.account for heard in distinct.values()}
        with transaction(self._connection) as cursor:
            recorded_at = lock_heads(cursor, {account: self._epochs.get(account) for account in accounts})
            months = self._ensure_months(cursor, distinct.values())
            known = _known(cursor, distinct)
            conflicts = _conflicts(distinct, known, repeats)
            fresh = [heard for identity, heard in distinct.items() if identity not in known]
            recorded = _number(cursor, fresh, recorded_at)
            _insert(cursor, recorded)
            books, trades, refolded = _fold(cursor, recorded)
            _advance_heads(cursor, recorded, recorded_at)
            insert_drift(cursor, [_finding(conflict) for conflict in conflicts])
        self._present_months.update(month for month, state in months.items() if state is not MonthState.STRANDED)
        return RecordResult(
            recorded=recorded,
            duplicates=len(batch) - len(recorded) - len(conflicts),
            conflicts=conflicts,
            trades=trades,
            books=books,
            refolded=refolded,
            stranded_months=tuple(month for month, state in months.items() if state is MonthState.STRANDED),
        )

    def _ensure_months(self, cursor: Cursor, batch: Iterable[HeardFill]) -> dict[date, MonthState]:
        missing = {month_of(heard.fill.exec_time) for heard in batch} - self._present_months
        return ensure_months(cursor, missing) if missing else {}


def _identity(fill: Fill) -> _Identity:
    return (fill.account, fill.category, fill.symbol, fill.exec_id)


def _distinct(batch: Sequence[HeardFill]) -> tuple[dict[_Identity, HeardFill], list[HeardFill]]:
    """The first report of each execution, in execution order, and the other reports."""
    distinct: dict[_Identity, HeardFill] = {}
    repeats = []
    for heard in batch:
        if distinct.setdefault(_identity(heard.fill), heard) is not heard:
            repeats.append(heard)
    ordered = sorted(distinct.items(), key=lambda item: item[1].fill.execution_order)
    return dict(ordered), repeats


def _known(cursor: Cursor, identities: Iterable[_Identity]) -> dict[_Identity, tuple[Fill, BotId | None]]:
    """Which of the executions the ledger has, at whatever time, and whose they are there."""
    # LATERAL with LIMIT is a probe of the unique index per id. A join would let the planner read whole partitions when
    # it has no statistics of them yet.
    cursor.execute(
        f"""
        SELECT {", ".join("f." + name for name in FILL_COLUMNS)}, f.bot
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS k (account, category, symbol, exec_id)
        CROSS JOIN LATERAL (
            SELECT * FROM trading.fills AS f
            WHERE f.account = k.account AND f.category = k.category AND f.symbol = k.symbol AND f.exec_id = k.exec_id
            LIMIT 1
        ) AS f
        """,
        tuple(map(list, zip(*identities, strict=True))),
    )
    fills = ((fill_of_row(row), row[-1]) for row in cursor.fetchall())
    return {_identity(fill): (fill, bot) for fill, bot in fills}


def _conflicts(
    distinct: Mapping[_Identity, HeardFill],
    known: Mapping[_Identity, tuple[Fill, BotId | None]],
    repeats: Sequence[HeardFill],
) -> list[Conflict]:
    reports = [heard for identity, heard in distinct.items() if identity in known]
    conflicts = []
    for heard in (*reports, *repeats):
        identity = _identity(heard.fill)
        first = distinct[identity]
        fill, bot = known.get(identity, (first.fill, first.attribution.bot))
        differences = fill.differences(heard.fill)
        if differences:
            conflicts.append(
                Conflict(
                    account=fill.account, symbol=fill.symbol, exec_id=fill.exec_id, bot=bot, differences=differences
                )
            )
    return conflicts


def _finding(conflict: Conflict) -> Finding:
    return Finding(
        kind=DriftKind.FILL_TIME if "exec_time" in conflict.differences else DriftKind.FILL_CONTENT,
        account=conflict.account,
        bot=conflict.bot,
        symbol=conflict.symbol,
        subject=conflict.exec_id,
        detail={
            name: {"recorded": recorded, "reported": reported}
            for name, (recorded, reported) in conflict.differences.items()
        },
    )


def _number(cursor: Cursor, fresh: Sequence[HeardFill], recorded_at: datetime) -> list[RecordedFill]:
    """Gives each bot's fills its next numbers. The rows of bot_heads stay locked until the commit, so that a number
    taken is a number committed, and a number seen means all before it are there."""
    counts = Counter(heard.attribution.bot for heard in fresh if heard.attribution.bot is not None)
    following: dict[BotId, int] = {}
    if counts:
        heads = execute_values(
            cursor,
            "INSERT INTO trading.bot_heads AS h (bot, last_seq) VALUES %s"
            " ON CONFLICT (bot) DO UPDATE SET last_seq = h.last_seq + excluded.last_seq RETURNING bot, last_seq",
            sorted(counts.items()),
            page_size=1000,
            fetch=True,
        )
        following = {bot: last - counts[bot] + 1 for bot, last in heads}
    recorded = []
    for heard in fresh:
        bot, number = heard.attribution.bot, None
        if bot is not None:
            number = following[bot]
            following[bot] = number + 1
        recorded.append(
            RecordedFill(
                fill=heard.fill,
                attribution=heard.attribution,
                position_idx=heard.position_idx,
                bot_seq=number,
                source=heard.source,
                frame_at=heard.frame_at,
                received_at=heard.received_at,
                recorded_at=recorded_at,
            )
        )
    return recorded


def _insert(cursor: Cursor, recorded: Sequence[RecordedFill]) -> None:
    if not recorded:
        return
    lines = io.StringIO()
    for each in recorded:
        lines.write("\t".join([_COPY_TEXT[type(value)](value) for value in row_of_recorded(each)]))
        lines.write("\n")
    lines.seek(0)
    cursor.copy_expert(f"COPY trading.fills ({', '.join(RECORDED_COLUMNS)}) FROM STDIN", lines)


def _copy_string(text: str) -> str:
    if text.isprintable() and "\\" not in text:
        return text
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


# The text format of COPY (https://www.postgresql.org/docs/16/sql-copy.html), for the types of a row of fills.
_COPY_TEXT: dict[type, Callable[[Any], str]] = {
    str: _copy_string,
    Decimal: str,
    int: str,
    bool: lambda value: "t" if value else "f",
    datetime: datetime.isoformat,
    type(None): lambda _: r"\N",
}


def _fold(cursor: Cursor, recorded: Sequence[RecordedFill]) -> tuple[dict[BookKey, TradeBook], list[Trade], int]:
    """Takes the fills into their books and stores books and round trips."""
    by_book: dict[BookKey, list[RecordedFill]] = defaultdict(list)
    for each in recorded:
        if (key := each.book_key) is not None:
            by_book[key].append(each)
    books: dict[BookKey, TradeBook] = {}
    trades: list[Trade] = []
    closed: list[ClosedTrade] = []
    refolded = 0
    for key, held in load_books(cursor, by_book).items():
        counting = [each for each in by_book[key] if held.folds(each.fill)]
        if not counting:
            continue
        if held.book.is_late(counting[0].fill):
            books[key], changed = refold(cursor, held, counting[0].fill.execution_order)
            trades.extend(changed)
            refolded += 1
        else:
            books[key], new = fold_on(held.book, ((each.fill, each.attribution.reason) for each in counting))
            closed.extend(new)
    save_trades(cursor, closed)
    save_books(cursor, books.values())
    trades.extend(each.trade for each in closed)
    return books, trades, refolded


def _advance_heads(cursor: Cursor, recorded: Sequence[RecordedFill], recorded_at: datetime) -> None:
    if not recorded:
        return
    newest: dict[AccountName, datetime] = {}
    for each in recorded:
        account, time = each.fill.account, each.fill.exec_time
        newest[account] = max(time, newest.get(account, time))
    counts = Counter(each.fill.account for each in recorded)
    execute_values(
        cursor,
        """
        UPDATE trading.account_head AS h
        SET fills = h.fills + n.fills, last_exec_time = greatest(h.last_exec_time, n.exec_time),
            last_recorded_at = n.recorded_at
        FROM (VALUES %s) AS n (account, fills, exec_time, recorded_at)
        WHERE h.account = n.account
        """,
        [(account, counts[account], newest[account], recorded_at) for account in sorted(counts)],
        template="(%s, %s, %s::timestamptz, %s::timestamptz)",
        page_size=1000,
    )
