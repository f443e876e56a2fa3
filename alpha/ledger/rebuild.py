"""Books and round trips computed again from all fills, and mended where the stored ones are not the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from alpha.domain.arithmetic import accounting
from alpha.domain.closing import ClosingDisagreement, closed_of
from alpha.domain.fill import ExecType, ExecutionOrder
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import BookFold, TradeBook
from alpha.ledger.batch_rows import TRADE_ROW, write_batch
from alpha.ledger.book_rows import KEY, key_of_row, key_row, row_of_book
from alpha.ledger.books import HeldBook, load_books
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.copying import copy_lines, escaped, unescaped
from alpha.ledger.drift import DriftKind, Finding, insert_drift, open_drift, resolve_drift
from alpha.ledger.heads import bump_books_versions

_KEY = ", ".join(KEY)
_OF_BOOK = f"({_KEY}) = (%s, %s, %s, %s)"
_OPENED_AT = TRADE_ROW.index("opened_at")
_CLOSED_AT = TRADE_ROW.index("closed_at")
_AT_ONCE = 10_000
"""About so many fills are read by a statement: few enough to be put in order in memory."""
_AMOUNTS = frozenset(
    TRADE_ROW.index(name)
    for name in (
        "quantity",
        "entry_price",
        "exit_price",
        "gross_pnl",
        "fees",
        "funding",
        "last_leaves_quantity",
        "book_realized_pnl",
        "book_fees",
        "book_funding",
    )
)
_DISAGREEMENTS_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDifference:
    """A stored book that is not what its fills make: which of its columns differ is in the two books; `missing` round
    trips had no row, `extra` rows no round trip, and `changed` said something else. `wrong_since` is the market time of
    the first fill that closes another quantity than the exchange says, or closed a round trip that was missing or
    changed; None without any."""

    key: BookKey
    stored: TradeBook
    rebuilt: TradeBook
    missing: int
    extra: int
    changed: int
    wrong_since: datetime | None = None


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
    no more of it is in memory than the round trips of a stretch, and the names of those that differ.
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


def _compare(connection: Connection, account: AccountName) -> list[_Compared]:
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


def _mended(connection: Connection, key: BookKey) -> tuple[_Compared, BookDifference | None]:
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
        copy_lines(cursor, "trading.trades", TRADE_ROW, [f"{line}\n" for line in fresh])
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
) -> list[_Compared]:
    """Folds books of the account from their first fills, a stretch of time after the other, and compares its round
    trips with the stored ones. Read book by book, a page of fills would be read for each book that has one in it.
    `keep`: the rows of round trips that differ, and not their names alone, are kept."""
    books = _Books(account, load_books(cursor, keys).values(), keep)
    cursor.execute(
        "SELECT min(exec_time), max(exec_time),"
        " coalesce((SELECT fills FROM trading.account_head WHERE account = %s), 0)"
        " FROM trading.fills WHERE account = %s",
        (account, account),
    )
    ((first, last, fills),) = cursor.fetchall()
    edges = [] if first is None else _edges(first, last, fills // _AT_ONCE)
    with accounting():
        for start, end in zip([None, *edges], [*edges, None], strict=True):
            # The order of execution, as fills compare in Python: ids by code point, whatever the database's collation.
            _copy(
                cursor,
                "SELECT bot, symbol, position_idx, exec_time, seq, leaves_quantity, exec_id, exec_type, side, price,"
                " quantity, fee, closed_quantity, reason FROM trading.owned_fills"
                f" WHERE {which_fills.condition}{_between('exec_time', start, end)}"
                ' ORDER BY exec_time, seq, leaves_quantity DESC, exec_id COLLATE "C"',
                which_fills.parameters,
                books.take_fill,
            )
            _copy(
                cursor,
                f"SELECT {', '.join(TRADE_ROW)} FROM trading.trades"
                f" WHERE {which_trades.condition}{_between('closed_at', start, end)}",
                which_trades.parameters,
                books.take_stored,
            )
            books.end_stretch()
    return books.compared


def _edges(first: datetime, last: datetime, count: int) -> list[datetime]:
    """Where to cut an interval into so many equal stretches, and into one at least."""
    return [first + (last - first) * n / count for n in range(1, count)]


def _between(column: str, start: datetime | None, end: datetime | None) -> str:
    """Written into the statement: parameters would be seen too late for whole partitions to be left out."""
    return ("" if start is None else f" AND {column} >= '{start.isoformat()}'") + (
        "" if end is None else f" AND {column} < '{end.isoformat()}'"
    )


def _copy(cursor: Cursor, query: str, parameters: Sequence[object], take: Callable[[str], None]) -> None:
    """Each row as a line of COPY, without its end."""
    cursor.copy_expert(f"COPY ({cursor.mogrify(query, parameters).decode()}) TO STDOUT", _Lines(take))


class _Lines:
    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def write(self, line: bytes) -> None:
        self._take(line[:-1].decode())


_FUNDING = ExecType.FUNDING.value
_BUY = Side.BUY.value
_REASONS = {each.value: each for each in Reason}


class _Books:
    """Takes the lines of an account, fills in execution order and stored round trips, and gives them to their books."""

    def __init__(self, account: AccountName, held: Iterable[HeldBook], keep: bool) -> None:
        self._account, self._keep = account, keep
        self._books: dict[tuple[str, str, str], _Compared] = {}
        for each in held:
            self._add(each)

    @property
    def compared(self) -> list[_Compared]:
        return list(self._books.values())

    def take_fill(self, line: str) -> None:
        bot, symbol, position_idx, *fields = line.split("\t")
        book = self._books.get((bot, symbol, position_idx))
        if book is None:
            # What began with a position or has a row is known; this one has fills only.
            key = BookKey(
                account=self._account,
                bot=BotId(unescaped(bot)),
                symbol=Symbol(unescaped(symbol)),
                position_idx=int(position_idx),
            )
            book = self._add(HeldBook(book=TradeBook(key=key), opening=None))
        book.take(*fields)

    def take_stored(self, line: str) -> None:
        _, bot, symbol, position_idx, name, _, _, opened_at, _ = line.split("\t", _OPENED_AT + 1)
        self._books[bot, symbol, position_idx].stored((unescaped(name), opened_at), line)

    def end_stretch(self) -> None:
        """All fills and all stored round trips of a stretch of time have been told."""
        for book in self._books.values():
            book.end_stretch()

    def _add(self, held: HeldBook) -> _Compared:
        key = held.book.key
        book = _Compared(held, self._keep)
        self._books[escaped(key.bot), escaped(key.symbol), str(key.position_idx)] = book
        return book


_Row = tuple[str, str]
"""What tells a book's round trips apart, as the primary key does: the id of the first fill, and its time in COPY's text
format. By a hand in the table an id can be there with more than one time."""


class _Compared:
    """A book while its fills are folded, in execution order, beside what is stored of it. Round trips are the lines of
    COPY that their rows are, and are kept until they were compared; `changed` has the new line by the stored row.

    There are millions of fills, so nothing is made of one that the fold does not need.
    """

    def __init__(self, held: HeldBook, keep: bool) -> None:
        beginning = held.beginning()
        self.key = beginning.key
        self.fills = self.trades = 0
        self.missing: dict[_Row, str] = {}
        self.changed: dict[_Row, str] = {}
        self.extra: set[_Row] = set()
        self.wrong_since: datetime | None = None
        self.disagreements: list[ClosingDisagreement] = []
        self._stored, self._opening, self._keep = held.book, held.opening, keep
        self._fold = BookFold(beginning)
        self._name = "\t".join([escaped(str(part)) for part in key_row(beginning.key)])
        self._opened_at = "" if beginning.open_trade is None else _time(beginning.open_trade.opened_at)
        self._last: tuple[str, ...] = ()
        self._closed: dict[_Row, str] = {}

    def take(
        self,
        at: str,
        seq: str,
        leaves: str,
        exec_id: str,
        exec_type: str,
        side: str,
        price: str,
        quantity: str,
        fee: str,
        closed: str,
        reason: str,
    ) -> None:
        """Folds a fill, told in COPY's text format."""
        exec_time = _from_text(at)
        if self._opening is not None and self._opening.has_counted(exec_time, int(seq)):
            return
        if "\\" in exec_id:
            exec_id = unescaped(exec_id)
        self.fills += 1
        self._last = at, seq, leaves, exec_id
        fold, size, buys, is_funding = self._fold, Decimal(quantity), side == _BUY, exec_type == _FUNDING
        held = fold.quantity
        if held and (held > 0) != buys:
            # As a rule an exit closes all of its own quantity.
            if (closed != quantity or abs(held) < size) and not is_funding:
                self._check_closing(ExecId(exec_id), exec_time, buys, size, Decimal(closed))
        else:
            if closed != "0" and not is_funding:
                self._check_closing(ExecId(exec_id), exec_time, buys, size, Decimal(closed))
            if not held and not is_funding:
                self._opened_at = at
        trade = fold.add(
            ExecId(exec_id),
            exec_time,
            is_funding,
            buys,
            Decimal(price),
            size,
            Decimal(fee),
            _REASONS[reason],
        )
        if trade is not None:
            self.trades += 1
            self._closed[trade.first_exec_id, self._opened_at] = self._line(trade, at, seq, leaves)
            self._opened_at = at  # of the next trip, where this fill flips

    def stored(self, row: _Row, line: str) -> None:
        """A stored round trip that closed in the stretch whose fills were taken last."""
        rebuilt = self._closed.pop(row, None)
        if rebuilt is None:
            self.extra.add(row)
        elif rebuilt != line and not _same_values(rebuilt, line):
            self._differs(self.changed, row, rebuilt)

    def end_stretch(self) -> None:
        """All that is stored of the stretch has been told."""
        for row, rebuilt in self._closed.items():
            self._differs(self.missing, row, rebuilt)
        self._closed.clear()

    def difference(self) -> BookDifference | None:
        """None when the stored book is what the fills make."""
        # Stored in another stretch than it closed in, or with another time at which it began.
        missing = {row[0]: row for row in self.missing}
        for stored in sorted(self.extra):
            row = missing.pop(stored[0], None)
            if row is not None:
                self.extra.discard(stored)
                self.changed[stored] = self.missing.pop(row)
        book = self._book()
        found = self.missing or self.changed or self.extra
        if not found and row_of_book(self._stored) == row_of_book(book):
            return None
        return BookDifference(
            key=self.key,
            stored=self._stored,
            rebuilt=book,
            missing=len(self.missing),
            extra=len(self.extra),
            changed=len(self.changed),
            wrong_since=self.wrong_since,
        )

    def _differs(self, among: dict[_Row, str], row: _Row, line: str) -> None:
        among[row] = line if self._keep else ""
        self._is_wrong_since(_from_text(line.split("\t", _CLOSED_AT + 1)[_CLOSED_AT]))

    def _is_wrong_since(self, time: datetime) -> None:
        if self.wrong_since is None or time < self.wrong_since:
            self.wrong_since = time

    def _book(self) -> TradeBook:
        if self._last:
            at, seq, leaves, exec_id = self._last
            self._fold.ended_with(ExecutionOrder(_from_text(at), int(seq), -Decimal(leaves), exec_id))
        return self._fold.book()

    def _check_closing(self, exec_id: ExecId, at: datetime, buys: bool, quantity: Decimal, said: Decimal) -> None:
        held = self._fold.quantity
        folded = closed_of(held, buys, quantity)
        if folded != said and len(self.disagreements) < _DISAGREEMENTS_TOLD:
            self.disagreements.append(ClosingDisagreement(exec_id=exec_id, held=held, said=said, folded=folded))
            self._is_wrong_since(at)

    def _line(self, trade: Trade, closed_at: str, seq: str, leaves: str) -> str:
        """The row of TRADE_ROW as COPY writes it, so that text can be compared with text."""
        fold = self._fold
        realized_pnl, fees, funding, fill_count = fold.totals
        prices = f"{trade.quantity}\t{trade.entry_price}\t{trade.exit_price}"
        amounts = f"{prices}\t{trade.gross_pnl}\t{trade.fees}\t{trade.funding}"
        sums = f"{realized_pnl}\t{fees}\t{funding}"
        if "E" in amounts or "E" in sums:
            amounts = "\t".join([f"{Decimal(amount):f}" for amount in amounts.split("\t")])
            sums = "\t".join([f"{Decimal(amount):f}" for amount in sums.split("\t")])
        return (
            f"{self._name}\t{escaped(trade.first_exec_id)}\t{escaped(trade.last_exec_id)}\t{trade.direction._value_}"
            f"\t{self._opened_at}\t{closed_at}\t{amounts}\t{trade.fill_count}"
            f"\t{trade.entry_reason._value_}\t{trade.exit_reason._value_}"
            f"\t{seq}\t{leaves}\t{'f' if fold.quantity else 't'}\t{sums}\t{fill_count}"
        )


def _same_values(rebuilt: str, stored: str) -> bool:
    """Whether two rows differ in nothing but zeros at the end of an amount, which says nothing about who wrote them."""
    ours, theirs = rebuilt.split("\t"), stored.split("\t")
    differing = [n for n, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    return all(n in _AMOUNTS and Decimal(ours[n]) == Decimal(theirs[n]) for n in differing)


_from_text = datetime.fromisoformat


def _time(time: datetime) -> str:
    """As PostgreSQL writes a time of UTC."""
    text = time.astimezone(UTC).isoformat(" ")[: -len("+00:00")]
    return (text.rstrip("0") if "." in text else text) + "+00"


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
