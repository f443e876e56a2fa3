"""The one way into the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Final, final

from alpha.domain.clock import EPOCH
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import TradeBook
from alpha.ledger.at_once import MOST_AT_ONCE, ExpectedHead, record_at_once
from alpha.ledger.batch_rows import FILLS_COPIED_FROM, HeadAdvance, NumbersTaken, write_batch
from alpha.ledger.books import HeldBook, refold
from alpha.ledger.books_memory import BooksMemory, Mark, marks_of
from alpha.ledger.connection import Connection, Cursor, Fenced, LedgerRefused, LedgerUnavailable, transaction
from alpha.ledger.drift import insert_drift
from alpha.ledger.fill_copy import copy_fills
from alpha.ledger.fill_rows import FillSource, HeardFill, RecordedFill, recorded_at
from alpha.ledger.folding import ClosedTrade, fold_in_order
from alpha.ledger.heads import lock_heads
from alpha.ledger.partitions import MonthState, ensure_months, months_of
from alpha.ledger.repeats import Conflict, conflicts_among, distinct, lock_and_look

__all__ = ["Conflict", "Fenced", "FillRecorder", "FillSource", "HeardFill", "RecordResult", "RecordedFill"]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """What one batch did.

    `recorded` is in execution order (per bot: by bot_seq). `trades` are the round trips that were closed or, by a late
    fill, changed; `books` are the books that were touched, as they are now; `refolded` counts those among them that a
    fill came late for. Fills of `stranded_months` went to the default partition: somebody has to move them.
    `known_at` is the wall time at which its commit was known, or inside another transaction its writing.
    `refused_at_once` is why the short way of a few fills was refused, "" where it was not: they went the long way then.
    """

    recorded: list[RecordedFill] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    books: dict[BookKey, TradeBook] = field(default_factory=dict)
    refolded: int = 0
    stranded_months: tuple[date, ...] = ()
    known_at: datetime = field(default_factory=partial(datetime.now, UTC))
    refused_at_once: str = ""

    @property
    def unattributed(self) -> int:
        """How many of the recorded fills nobody owns."""
        return sum([recorded.bot_seq is None for recorded in self.recorded])


class FillRecorder:
    """Records batches of fills, each fill exactly once, each batch in one transaction of a handful of statements.

    `epochs` is read at every batch: what this process was given by `heads.take_account`. Whoever writes fills holds the
    lock on the account's head, so what is not there after the lock is new. The books of the accounts stay in memory
    from one batch to the next for as long as their heads show that nobody else has written.
    """

    def __init__(self, connection: Connection, epochs: Mapping[AccountName, int]) -> None:
        self._connection = connection
        self._epochs = epochs
        self._present_months: set[date] = set()
        self._memory = BooksMemory()

    def record(self, batch: Sequence[HeardFill]) -> RecordResult:
        """Records what is new. All or nothing: on any error the ledger is as before.

        Raises Fenced (with the accounts; take them out and repeat the rest), LedgerUnavailable (repeat the batch, also
        when the commit's answer was lost) or LedgerRefused.
        """
        if not batch:
            return RecordResult()
        refused = ""
        if len(batch) <= MOST_AT_ONCE:
            try:
                at_once = self._recorded_at_once(batch)
            except LedgerRefused as error:
                # Nothing was written, and the long way finds out what is the matter: a fill told again, for one.
                at_once, refused = None, str(error)
            if at_once is not None:
                return at_once
        accounts = {heard.fill.account for heard in batch}
        for _ in range(_ATTEMPTS):
            try:
                return self._record(batch, accounts, refused)
            except _NumbersMoved:
                self._memory.forget(accounts)
                if self._connection.transaction_depth:
                    break  # what was written is undone only with the transaction around it
            except UnicodeEncodeError as unkept:
                raise LedgerRefused(f"a text of the batch is not one that PostgreSQL keeps: {unkept}") from unkept
        raise LedgerUnavailable("other listeners keep numbering the same bots' fills; repeat the batch")

    def _record(self, batch: Sequence[HeardFill], accounts: set[AccountName], refused_at_once: str) -> RecordResult:
        first, repeats = distinct(batch)
        # Inside a transaction of somebody else's nothing is remembered: that one may yet be rolled back.
        lasting = self._connection.transaction_depth == 0
        with transaction(self._connection) as cursor:
            held = {account: self._epochs.get(account) for account in accounts}
            months = self._ensured_months(cursor, held, first.values())
            heads, known = lock_and_look(cursor, held, first)
            epochs = {account: epoch for account, epoch in held.items() if epoch is not None}
            self._memory.check(heads, epochs)
            conflicts = conflicts_among(first, known, repeats)
            fresh = [heard for identity, heard in first.items() if identity not in known] if known else first.values()
            recorded, numbers = self._numbered(cursor, fresh, heads.at)
            folded = _Folded()
            if recorded:
                to_fold = self._to_fold(cursor, recorded)
                not_copied: Sequence[RecordedFill] = recorded
                if any(each.is_late for each in to_fold):
                    folded.refold(cursor, to_fold)
                elif len(recorded) < FILLS_COPIED_FROM:
                    folded.fold(to_fold)
                else:
                    copy_fills(cursor, recorded, epochs, meanwhile=[partial(folded.fold, [each]) for each in to_fold])
                    not_copied = ()
                if not write_batch(
                    cursor,
                    fills=not_copied,
                    epochs=epochs,
                    books=[held.book for held in folded.books],
                    trades=folded.closed,
                    heads=_advances(recorded, heads.at),
                    numbers=numbers,
                ):
                    raise _NumbersMoved
            insert_drift(cursor, [conflict.finding() for conflict in conflicts])
        known_at = datetime.now(UTC)
        if lasting:
            self._memory.committed(
                marks_of(heads, epochs, Counter([each.fill.account for each in recorded])),
                books=folded.books,
                numbers={each.bot: each.last for each in numbers},
            )
        else:
            self._memory.forget(accounts)
        self._present_months.update(month for month, state in months.items() if state is not MonthState.STRANDED)
        return RecordResult(
            recorded=recorded,
            duplicates=len(batch) - len(recorded) - len(conflicts),
            conflicts=conflicts,
            trades=folded.trades,
            books={held.book.key: held.book for held in folded.books},
            refolded=folded.refolded,
            stranded_months=tuple(month for month, state in months.items() if state is MonthState.STRANDED),
            known_at=known_at,
            refused_at_once=refused_at_once,
        )

    def _recorded_at_once(self, batch: Sequence[HeardFill]) -> RecordResult | None:
        """A few fills of one account and one bot of which nothing is unusual, recorded in one call. None when something
        is, or when the ledger is not as it is remembered; nothing was written then, and the long way finds out.

        Raises LedgerUnavailable and LedgerRefused, as `record_at_once` does."""
        connection, memory = self._connection, self._memory
        account, bot = batch[0].fill.account, batch[0].attribution.bot
        mark = memory.mark(account)
        if connection.transaction_depth or connection.transaction_prelude or bot is None:
            return None
        if mark is None or mark.epoch != self._epochs.get(account):
            return None
        first, repeats = distinct(batch)
        fresh = list(first.values())
        if (
            repeats
            or any(heard.fill.account != account or heard.attribution.bot != bot for heard in fresh)
            or not months_of([heard.fill.exec_time for heard in fresh]) <= self._present_months
            or not memory.has({key for heard in fresh if (key := heard.book_key) is not None}, (bot,))
        ):
            return None
        with connection.cursor() as cursor:  # Nothing is asked through it: all that follows is remembered.
            numbered, numbers = self._numbered(cursor, fresh, EPOCH)
            to_fold = self._to_fold(cursor, numbered)
        if any(each.is_late for each in to_fold) or sum([len(each.fresh) for each in to_fold]) != len(numbered):
            return None
        folded = _Folded()
        folded.fold(to_fold)
        books = [held.book for held in folded.books]
        newest = max([each.fill.exec_time for each in numbered])
        head = ExpectedHead(account, mark.epoch, mark.books_version, mark.fills, newest)
        at = record_at_once(
            connection, head=head, numbers=numbers[0], fills=numbered, books=books, trades=folded.closed
        )
        if at is None:
            return None
        known_at = datetime.now(UTC)
        now_at = Mark(mark.epoch, mark.books_version, mark.fills + len(numbered))
        memory.committed({account: now_at}, books=folded.books, numbers={bot: numbers[0].last})
        return RecordResult(
            recorded=[recorded_at(each, at) for each in numbered],
            trades=folded.trades,
            books={book.key: book for book in books},
            known_at=known_at,
        )

    def _ensured_months(
        self, cursor: Cursor, held: Mapping[AccountName, int | None], batch: Iterable[HeardFill]
    ) -> dict[date, MonthState]:
        missing = months_of([heard.fill.exec_time for heard in batch]) - self._present_months
        if not missing:
            return {}
        # The heads come first, here too: who makes a month waits for others who do, and must not hold them up in turn.
        lock_heads(cursor, held)
        return ensure_months(cursor, missing)

    def _numbered(
        self, cursor: Cursor, fresh: Iterable[HeardFill], recorded_at: datetime
    ) -> tuple[list[RecordedFill], list[NumbersTaken]]:
        """Gives each bot's fills its next numbers. They are taken when `write_batch` finds them to be the next, in the
        transaction that inserts the fills: a number taken is a number committed, and a number seen means all before it
        are there."""
        bots = {heard.attribution.bot for heard in fresh if heard.attribution.bot is not None}
        before = self._memory.numbers(cursor, bots)
        last = dict(before)
        recorded = []
        for heard in fresh:
            bot, number = heard.attribution.bot, None
            if bot is not None:
                number = last[bot] = last[bot] + 1
            recorded.append(
                RecordedFill(
                    heard.fill,
                    heard.attribution,
                    heard.position_idx,
                    number,
                    heard.source,
                    heard.frame_at,
                    heard.received_at,
                    recorded_at,
                )
            )
        return recorded, [NumbersTaken(bot=bot, before=before[bot], last=last[bot]) for bot in before]

    def _to_fold(self, cursor: Cursor, recorded: Sequence[RecordedFill]) -> list[_ToFold]:
        """The books of the fills, which are not in the ledger yet, each with the fills that count in it."""
        by_book = _by_book(recorded)
        found = []
        for key, held in self._memory.books(cursor, by_book).items():
            counting = [each for each in by_book[key] if held.folds(each.fill)]
            if counting:
                found.append(_ToFold(held, [(each.fill, each.attribution.reason) for each in counting]))
        return found


class _NumbersMoved(Exception):
    """Somebody else has numbered fills of one of the bots since its last number was read."""


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class _ToFold:
    """A book and the fills that it takes, in execution order."""

    held: Final[HeldBook]
    fresh: Final[list[tuple[Fill, Reason]]]

    def __init__(self, held: HeldBook, fresh: list[tuple[Fill, Reason]]) -> None:
        self.held = held
        self.fresh = fresh

    @property
    def is_late(self) -> bool:
        """Whether the first of them belongs before one that is folded already."""
        return self.held.book.is_late(self.fresh[0][0])


@dataclass(slots=True)
class _Folded:
    """What folding made: books as they are now, round trips to store, and those of them that are new or changed."""

    books: list[HeldBook] = field(default_factory=list)
    closed: list[ClosedTrade] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    refolded: int = 0

    def fold(self, books: Sequence[_ToFold]) -> None:
        """Takes fills of which none is late."""
        for each in books:
            book, closed = fold_in_order(each.held.book, each.fresh)
            self.closed.extend(closed)
            self.trades.extend([one.trade for one in closed])
            self.books.append(HeldBook(book=book, opening=each.held.opening))

    def refold(self, cursor: Cursor, books: Sequence[_ToFold]) -> None:
        """Takes fills of which some are late; none may be in the ledger yet."""
        for each in books:
            if not each.is_late:
                self.fold([each])
                continue
            again = refold(cursor, each.held, each.fresh)
            self.closed.extend(again.closed)
            self.trades.extend(again.changed)
            self.books.append(HeldBook(book=again.book, opening=each.held.opening))
            self.refolded += 1


def _by_book(recorded: Sequence[RecordedFill]) -> dict[BookKey, list[RecordedFill]]:
    """The fills of each book; fills that nobody owns belong to none."""
    grouped: defaultdict[tuple[BotId, AccountName, Symbol, int], list[RecordedFill]] = defaultdict(list)
    for each in recorded:
        if each.attribution.bot is not None:
            grouped[(each.attribution.bot, each.fill.account, each.fill.symbol, each.position_idx)].append(each)
    return {
        BookKey(bot=bot, account=account, symbol=symbol, position_idx=position_idx): fills
        for (bot, account, symbol, position_idx), fills in grouped.items()
    }


def _advances(recorded: Sequence[RecordedFill], recorded_at: datetime) -> list[HeadAdvance]:
    counts = Counter([each.fill.account for each in recorded])
    # In execution order, so the last one that is said of an account is its newest.
    newest = {each.fill.account: each.fill.exec_time for each in recorded}
    return [
        HeadAdvance(account=account, fills=counts[account], last_exec_time=newest[account], recorded_at=recorded_at)
        for account in sorted(counts)
    ]
