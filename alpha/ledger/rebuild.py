"""Books and round trips computed again from all fills, and mended where the stored ones are not the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from alpha.domain.closing import ClosingDisagreement, closed_of
from alpha.domain.fill import ExecType, ExecutionOrder
from alpha.domain.ids import AccountName, ExecId
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
_FIRST_ID, _LAST_ID = TRADE_ROW.index("first_exec_id"), TRADE_ROW.index("last_exec_id")
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
    trips had no row, `extra` rows no round trip, and `changed` said something else. `closed_by` are the last fills of
    those that were missing or changed."""

    key: BookKey
    stored: TradeBook
    rebuilt: TradeBook
    missing: int
    extra: int
    changed: int
    closed_by: tuple[ExecId, ...] = ()


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
    nothing: a position that is wrong does). A listener goes on meanwhile: a book is compared in one snapshot, and its
    account is locked only while one that differs is mended. `on_book` is told of each book and how many fills it has.
    Needs the ledger writer's login to mend, any reader's to compare. A book of n fills takes no more memory than its
    round trips.
    """
    began_s = time.monotonic()
    keys, alone = _keys(connection, account)
    fills = trades = 0
    differing = []
    closings: dict[BookKey, tuple[ClosingDisagreement, ...]] = {}
    for key in keys:
        # Where nobody records, nobody is held up: one pass under the lock.
        compared, difference = _compare(connection, key, mend=mend, locked=mend and alone)
        if difference is not None and mend and not alone:
            compared, difference = _compare(connection, key, mend=True, locked=True)
        fills += compared.fills
        trades += len(compared.trades)
        if difference is not None:
            differing.append(difference)
        if compared.disagreements:
            closings[key] = tuple(compared.disagreements)
        on_book(key, compared.fills)
    if mend:
        _tell(connection, account, [_finding(key, each) for key, found in closings.items() for each in found])
    return AccountRebuild(
        account=account,
        fills=fills,
        books=len(keys),
        trades=trades,
        seconds=time.monotonic() - began_s,
        differing=tuple(differing),
        closings=closings,
    )


def _keys(connection: Connection, account: AccountName) -> tuple[list[BookKey], bool]:
    """The account's books, those included that have fills or round trips and no row; and whether nobody records the
    account now."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_KEY} FROM trading.books WHERE account = %(account)s"
            f" UNION SELECT DISTINCT {_KEY} FROM trading.owned_fills WHERE account = %(account)s AND bot IS NOT NULL"
            f" UNION SELECT DISTINCT {_KEY} FROM trading.trades WHERE account = %(account)s"
            f" UNION SELECT {_KEY} FROM trading.opening_positions WHERE account = %(account)s"
            f" ORDER BY {_KEY}",
            {"account": account},
        )
        keys = [key_of_row(row) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT FROM trading.account_leases WHERE account = %s AND lease_until > clock_timestamp()", (account,)
        )
        return keys, cursor.rowcount == 0


def _compare(
    connection: Connection, key: BookKey, *, mend: bool, locked: bool
) -> tuple[_Folding, BookDifference | None]:
    is_own = connection.transaction_depth == 0
    with transaction(connection) as cursor:
        if locked:
            cursor.execute("SELECT FROM trading.account_head WHERE account = %s FOR UPDATE", (key.account,))
        elif is_own:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held = load_books(cursor, [key])[key]
        folding = _fold_all(cursor, held)
        stored = _Stored(folding.trades)
        query = cursor.mogrify(f"SELECT {', '.join(TRADE_ROW)} FROM trading.trades WHERE {_OF_BOOK}", key_row(key))
        cursor.copy_expert(f"COPY ({query.decode()}) TO STDOUT", stored)
        book = folding.book()
        if row_of_book(held.book) == row_of_book(book) and stored.is_same:
            return folding, None
        missing = folding.trades.keys() - stored.found
        difference = BookDifference(
            key=key,
            stored=held.book,
            rebuilt=book,
            missing=len(missing),
            extra=len(stored.extra),
            changed=len(stored.changed),
            closed_by=tuple(_closed_by(folding.trades[name]) for name in missing | stored.changed),
        )
        if mend and locked:
            _mend(cursor, book, folding.trades, gone=stored.changed | stored.extra, fresh=stored.changed | missing)
    return folding, difference


def _mend(cursor: Cursor, book: TradeBook, trades: Mapping[str, str], *, gone: set[str], fresh: set[str]) -> None:
    if gone:
        cursor.execute(
            f"DELETE FROM trading.trades WHERE {_OF_BOOK} AND first_exec_id = ANY(%s)",
            (*key_row(book.key), list(gone)),
        )
    copy_lines(cursor, "trading.trades", TRADE_ROW, [line for name, line in trades.items() if name in fresh])
    write_batch(cursor, books=[book])
    bump_books_versions(cursor, [book.key.account])


def _fold_all(cursor: Cursor, held: HeldBook) -> _Folding:
    key, opening = held.book.key, held.opening
    folding = _Folding(held.beginning())
    included, parameters = "", list[object](key_row(key))
    if opening is not None and opening.seq is not None and opening.seq >= 0:
        included, parameters = " AND seq > %s", [*parameters, opening.seq]
    elif opening is not None:
        included, parameters = " AND exec_time >= %s", [*parameters, opening.at]
    # The order of execution, as fills compare in Python: ids by code point, whatever the database's collation.
    query = cursor.mogrify(
        "SELECT exec_time, seq, leaves_quantity, exec_id, exec_type, side,"
        f" price, quantity, fee, closed_quantity, reason FROM trading.owned_fills WHERE {_OF_BOOK}{included}"
        ' ORDER BY exec_time, seq, leaves_quantity DESC, exec_id COLLATE "C"',
        parameters,
    )
    cursor.copy_expert(f"COPY ({query.decode()}) TO STDOUT", folding)
    return folding


_FUNDING = ExecType.FUNDING.value
_BUY = Side.BUY.value
_REASONS = {each.value: each for each in Reason}


class _Folding:
    """Takes the lines of a COPY as they come, each a fill in execution order, and folds them. Round trips are kept as
    the lines of COPY that their rows are, by the id of their first fill.

    There are millions of fills, so nothing is made of one that the fold does not need.
    """

    def __init__(self, beginning: TradeBook) -> None:
        self._fold = BookFold(beginning)
        self._key = "\t".join([escaped(str(part)) for part in key_row(beginning.key)])
        self._opened_at = "" if beginning.open_trade is None else _time(beginning.open_trade.opened_at)
        self._last: tuple[str, ...] = ()
        self.trades: dict[str, str] = {}
        self.disagreements: list[ClosingDisagreement] = []
        self.fills = 0

    def write(self, line: bytes) -> None:
        """One line of COPY's text format."""
        fields = line.decode()[:-1].split("\t")
        at, seq, leaves, exec_id, exec_type, side, price, quantity, fee, closed, reason = fields
        if "\\" in exec_id:
            exec_id = unescaped(exec_id)
        self.fills += 1
        self._last = at, seq, leaves, exec_id
        fold, size, buys, is_funding = self._fold, Decimal(quantity), side == _BUY, exec_type == _FUNDING
        held = fold.quantity
        if held and (held > 0) != buys:
            # As a rule an exit closes all of its own quantity.
            if (closed != quantity or abs(held) < size) and not is_funding:
                self._check_closing(ExecId(exec_id), buys, size, Decimal(closed))
        else:
            if closed != "0" and not is_funding:
                self._check_closing(ExecId(exec_id), buys, size, Decimal(closed))
            if not held and not is_funding:
                self._opened_at = at
        trade = fold.add(
            ExecId(exec_id),
            _from_text(at),
            is_funding,
            buys,
            Decimal(price),
            size,
            Decimal(fee),
            _REASONS[reason],
        )
        if trade is not None:
            self.trades[trade.first_exec_id] = self._line(trade, at, seq, leaves)
            self._opened_at = at  # of the next trip, where this fill flips

    def book(self) -> TradeBook:
        if self._last:
            at, seq, leaves, exec_id = self._last
            self._fold.ended_with(ExecutionOrder(_from_text(at), int(seq), -Decimal(leaves), exec_id))
        return self._fold.book()

    def _check_closing(self, exec_id: ExecId, buys: bool, quantity: Decimal, said: Decimal) -> None:
        held = self._fold.quantity
        folded = closed_of(held, buys, quantity)
        if folded != said and len(self.disagreements) < _DISAGREEMENTS_TOLD:
            self.disagreements.append(ClosingDisagreement(exec_id=exec_id, held=held, said=said, folded=folded))

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
            f"{self._key}\t{escaped(trade.first_exec_id)}\t{escaped(trade.last_exec_id)}\t{trade.direction._value_}"
            f"\t{self._opened_at}\t{closed_at}\t{amounts}\t{trade.fill_count}"
            f"\t{trade.entry_reason._value_}\t{trade.exit_reason._value_}"
            f"\t{seq}\t{leaves}\t{'f' if fold.quantity else 't'}\t{sums}\t{fill_count}\n"
        )


class _Stored:
    """Takes the lines of a COPY of stored round trips, and tells what of them is not as the rebuilt ones."""

    def __init__(self, rebuilt: Mapping[str, str]) -> None:
        self._rebuilt = rebuilt
        self.found: set[str] = set()
        self.changed: set[str] = set()
        self.extra: set[str] = set()

    def write(self, line: bytes) -> None:
        text = line.decode()
        name = unescaped(text.split("\t", _FIRST_ID + 1)[_FIRST_ID])
        rebuilt = self._rebuilt.get(name)
        self.found.add(name)
        if rebuilt is None:
            self.extra.add(name)
        elif rebuilt != text and not _same_values(rebuilt, text):
            self.changed.add(name)

    @property
    def is_same(self) -> bool:
        return not self.extra and not self.changed and len(self.found) == len(self._rebuilt)


def _closed_by(line: str) -> ExecId:
    return ExecId(unescaped(line.split("\t", _LAST_ID + 1)[_LAST_ID]))


def _same_values(rebuilt: str, stored: str) -> bool:
    """Whether two rows differ in nothing but zeros at the end of an amount, which says nothing about who wrote them."""
    ours, theirs = rebuilt[:-1].split("\t"), stored[:-1].split("\t")
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
