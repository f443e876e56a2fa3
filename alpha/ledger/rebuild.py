"""Books and round trips computed again from all fills, and mended where the stored ones are not the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from alpha.domain.arithmetic import accounting
from alpha.domain.closing import ClosingDisagreement
from alpha.domain.ids import AccountName
from alpha.domain.trade import BookKey
from alpha.ledger.batch_rows import TRADE_ROW, write_batch
from alpha.ledger.book_rows import KEY, key_of_row, key_row
from alpha.ledger.books import load_books
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.copying import copy_lines, told_apart
from alpha.ledger.drift import DriftKind, Finding, insert_drift, open_drift, resolve_drift
from alpha.ledger.heads import bump_books_versions
from alpha.ledger.refolded_book import (
    BOOK_TEXT,
    FILL_TEXT,
    TRADE_TEXT,
    BookDifference,
    FillText,
    RefoldedBook,
    RefoldedBooks,
    StoredText,
)

__all__ = ["AccountRebuild", "BookDifference", "rebuild_account"]

_KEY = ", ".join(KEY)
_OF_BOOK = f"({_KEY}) = (%s, %s, %s, %s)"
_AT_ONCE = 10_000
"""So many fills of an account are read by a statement: few enough to be held, and to be put in order in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRebuild:
    """What came of it. `closings` are fills that close another quantity than the exchange says, at most 20 of each
    book, by the book they are of."""

    account: AccountName
    fills: int
    books: int
    trades: int
    seconds: float
    differing: tuple[BookDifference, ...]
    closings: Mapping[BookKey, tuple[ClosingDisagreement, ...]]


def rebuild_account(
    connection: Connection,
    account: AccountName,
    *,
    mend: bool = True,
    on_book: Callable[[BookKey, int], None] = lambda *_: None,
) -> AccountRebuild:
    """Folds every book of the account from its first fill and compares book and round trips, to the digit and with all
    that the recorder remembers in them, with what is stored.

    With `mend` what differs is replaced, and fills whose closed quantity disagrees become rows of drift (which forbid
    nothing: a position that is wrong does). A listener goes on meanwhile: the books are compared in one snapshot, and
    the account is locked only while one that differs is folded once more and mended. `on_book` is told of each book and
    how many fills it has. Needs the ledger writer's login to mend, any reader's to compare. However long the history,
    and wherever in time its fills lie, no more of it is in memory than the fills and round trips of two stretches of
    some ten thousand fills, and the names of the round trips that differ.
    """
    began_s = time.monotonic()
    differing = []
    closings: dict[BookKey, tuple[ClosingDisagreement, ...]] = {}
    compared = _compare(connection, account)
    fills, trades = sum(each.fills for each in compared), sum(each.trades for each in compared)
    for each in compared:
        difference = each.difference()
        if difference is not None and mend:
            each, difference = _mended(connection, each.key)
        if difference is not None:
            differing.append(difference)
        if each.disagreements:
            closings[each.key] = tuple(each.disagreements)
        on_book(each.key, each.fills)
    if mend:
        _tell(connection, account, [_finding(key, each) for key, found in closings.items() for each in found])
    return AccountRebuild(
        account=account,
        fills=fills,
        books=len(compared),
        trades=trades,
        seconds=time.monotonic() - began_s,
        differing=tuple(differing),
        closings=closings,
    )


def _compare(connection: Connection, account: AccountName) -> list[RefoldedBook]:
    """All books beside what their fills make, in one snapshot."""
    is_own = connection.transaction_depth == 0
    with transaction(connection) as cursor:
        if is_own:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # A book that has neither a row nor a round trip nor an opening position is met when its fills are read.
        cursor.execute(
            f"SELECT {_KEY} FROM trading.books WHERE account = %(account)s"
            f" UNION SELECT DISTINCT {_KEY} FROM trading.trades WHERE account = %(account)s"
            f" UNION SELECT {_KEY} FROM trading.opening_positions WHERE account = %(account)s",
            {"account": account},
        )
        keys = [key_of_row(row) for row in cursor.fetchall()]
        fills = _Choice("account = %s AND bot IS NOT NULL", (account,))
        trades = _Choice("account = %s AND bot = ANY (%s)", (account, sorted({key.bot for key in keys})))
        compared = _fold_all(cursor, account, keys, fills, trades, keep=False)
    return sorted(compared, key=lambda each: key_row(each.key))


def _mended(connection: Connection, key: BookKey) -> tuple[RefoldedBook, BookDifference | None]:
    """Folds one book again while nobody else can change it, and replaces of it what differs then."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT FROM trading.account_head WHERE account = %s FOR UPDATE", (key.account,))
        of_book = _Choice(_OF_BOOK, key_row(key))
        (compared,) = _fold_all(cursor, key.account, [key], of_book, of_book, keep=True)
        difference = compared.difference()
        if difference is None:
            return compared, None
        gone = compared.extra | compared.changed.keys()
        if gone:
            cursor.execute(
                f"DELETE FROM trading.trades WHERE {_OF_BOOK}"
                " AND (first_exec_id, opened_at) IN (SELECT * FROM unnest(%s::text[], %s::timestamptz[]))",
                (*key_row(key), [name for name, _ in gone], [opened_at for _, opened_at in gone]),
            )
        fresh = [*compared.changed.values(), *compared.missing.values()]
        copy_lines(cursor, "trading.trades", TRADE_ROW, (told_apart(row) + "\n" for row in fresh))
        write_batch(cursor, books=[difference.rebuilt])
        bump_books_versions(cursor, [key.account])
    return compared, difference


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which rows of a table: a condition and its parameters."""

    condition: str
    parameters: tuple[object, ...]


def _fold_all(
    cursor: Cursor,
    account: AccountName,
    keys: Sequence[BookKey],
    which_fills: _Choice,
    which_trades: _Choice,
    *,
    keep: bool,
) -> list[RefoldedBook]:
    """Folds books of the account from their first fills, a stretch of time after the other, and compares its round
    trips with the stored ones. Read book by book, a page of fills would be read for each book that has one in it.
    `keep` as RefoldedBooks has it."""
    books = RefoldedBooks(account, load_books(cursor, keys).values(), keep=keep)
    stretches = _read_ahead(cursor, account, which_fills, which_trades)
    with accounting(), closing(stretches):
        for taken, stored in stretches:
            books.take_stretch(taken, stored)
    return books.all()


_Stretch = tuple[list[FillText], list[StoredText]]


def _read_ahead(
    cursor: Cursor, account: AccountName, which_fills: _Choice, which_trades: _Choice
) -> Generator[_Stretch]:
    """The fills and the stored round trips of each stretch. PostgreSQL looks for those of the next one while what was
    read is folded: until the last of them, or until this is closed, nothing else may use the connection."""
    reading = _Reading(cursor, account, which_fills, which_trades)
    with ThreadPoolExecutor(1, "rebuild-reader") as reader:
        ahead = reader.submit(reading.next_stretch)
        while True:
            stretch = ahead.result()
            if reading.is_over:
                break
            ahead = reader.submit(reading.next_stretch)
            yield stretch
        yield stretch


class _Reading:
    """How far an account was read."""

    def __init__(self, cursor: Cursor, account: AccountName, which_fills: _Choice, which_trades: _Choice) -> None:
        self._cursor, self._account = cursor, account
        self._which_fills, self._which_trades = which_fills, which_trades
        self._start: datetime | None = None
        self._lasted: timedelta | None = None
        self.is_over = False

    def next_stretch(self) -> _Stretch:
        cursor, start, end = self._cursor, self._start, self._end()
        # The order of execution, as fills compare in Python: ids by code point, whatever the database's collation.
        cursor.execute(
            f"SELECT {_joined(BOOK_TEXT)}, {_joined(FILL_TEXT)} FROM trading.owned_fills AS r"
            f" WHERE {self._which_fills.condition}{_between('exec_time', start, end)}"
            ' ORDER BY r.exec_time, r.seq, r.leaves_quantity DESC, r.exec_id COLLATE "C"',
            self._which_fills.parameters,
        )
        fills = cursor.fetchall()
        cursor.execute(
            f"SELECT {_joined(BOOK_TEXT)}, r.first_exec_id, {_joined(TRADE_TEXT)} FROM trading.trades AS r"
            f" WHERE {self._which_trades.condition}{_between('closed_at', start, end)}",
            self._which_trades.parameters,
        )
        if start is not None and end is not None:
            self._lasted = end - start
        self._start, self.is_over = end, end is None
        return fills, cursor.fetchall()

    def _end(self) -> datetime | None:
        """Where the stretch ends that begins now: behind those of the account's fills that are of its first millisecond
        and _AT_ONCE others. None where fewer are left."""
        if self._start is None or self._lasted is None:
            return self._after_so_many(until=None)
        # As a rule it is near, and a statement that says so is not planned for every month that follows.
        return self._after_so_many(self._start + 2 * self._lasted) or self._after_so_many(until=None)

    def _after_so_many(self, until: datetime | None) -> datetime | None:
        later = "" if self._start is None else f" AND exec_time > '{self._start.isoformat()}'"
        earlier = "" if until is None else f" AND exec_time < '{until.isoformat()}'"
        self._cursor.execute(
            f"SELECT exec_time FROM trading.fills WHERE account = %s{later}{earlier}"
            " ORDER BY exec_time OFFSET %s LIMIT 1",
            (self._account, _AT_ONCE),
        )
        row = self._cursor.fetchone()
        return None if row is None else row[0]


def _joined(columns: Sequence[str]) -> str:
    """None of them may be null. One text costs both sides much less than each column as one."""
    return rf"concat_ws(E'\t', {', '.join(f'r.{name}' for name in columns)})"


def _between(column: str, start: datetime | None, end: datetime | None) -> str:
    """Written into the statement: parameters would be seen too late for whole partitions to be left out."""
    return ("" if start is None else f" AND {column} >= '{start.isoformat()}'") + (
        "" if end is None else f" AND {column} < '{end.isoformat()}'"
    )


def _tell(connection: Connection, account: AccountName, findings: list[Finding]) -> None:
    """The findings of this rebuild take the place of those of earlier ones."""
    standing = {(finding.subject, finding.fingerprint) for finding in findings}
    with transaction(connection) as cursor:
        over = [
            drift.number
            for drift in open_drift(connection, account)
            if drift.finding.kind is DriftKind.CLOSED_QUANTITY
            and (drift.finding.subject, drift.finding.fingerprint) not in standing
        ]
        resolve_drift(connection, over, by="rebuild", resolution="the fills close what the exchange says")
        insert_drift(cursor, findings)


def _finding(key: BookKey, found: ClosingDisagreement) -> Finding:
    return Finding(
        kind=DriftKind.CLOSED_QUANTITY,
        account=key.account,
        bot=key.bot,
        symbol=key.symbol,
        subject=found.exec_id,
        detail={"held": str(found.held), "exchange_closed": str(found.said), "fills_close": str(found.folded)},
        blocks_entries=False,
    )
