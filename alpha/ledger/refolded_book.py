"""A book while all its fills are folded again, beside what is stored of it.

There are millions of fills, so each is taken as one text that PostgreSQL has written, and nothing is made of it that
the fold does not need. A round trip becomes the text of its row, so that text is compared with text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from alpha.domain.closing import ClosingDisagreement, closed_of
from alpha.domain.fill import ExecType, ExecutionOrder
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import BookFold, TradeBook
from alpha.ledger.batch_rows import TRADE_ROW
from alpha.ledger.book_rows import KEY, key_row, row_of_book
from alpha.ledger.books import HeldBook

FillText = tuple[str, str]
"""A fill: its book (BOOK_TEXT) and itself (FILL_TEXT)."""
StoredText = tuple[str, str, str]
"""A stored round trip: its book, the id of its first fill, and its row (TRADE_TEXT)."""
TradeRow = tuple[str, ...]
"""What a round trip's row has to be: TRADE_ROW as text."""

# Columns that PostgreSQL joins by tabs to one text. What may have a tab itself is the last of them.
BOOK_TEXT = ("position_idx", "bot", "symbol")
FILL_TEXT = (
    *("exec_time", "seq", "leaves_quantity", "exec_type", "side", "price", "quantity", "fee", "closed_quantity"),
    *("reason", "exec_id"),
)
_AMOUNTS = (
    *("quantity", "entry_price", "exit_price", "gross_pnl", "fees", "funding"),
    *("book_realized_pnl", "book_fees", "book_funding", "last_leaves_quantity"),
)
TRADE_TEXT = (
    *_AMOUNTS,
    *("direction", "opened_at", "closed_at", "fill_count", "entry_reason", "exit_reason"),
    *("last_seq", "ends_flat", "book_fill_count", "last_exec_id"),
)
_DISAGREEMENTS_TOLD = 20
_FIRST_EXEC_ID, _OPENED_AT, _CLOSED_AT = (TRADE_ROW.index(name) for name in ("first_exec_id", "opened_at", "closed_at"))
_TABS_OF_FILL = len(FILL_TEXT) - 1
_FUNDING = ExecType.FUNDING.value
_BUY = Side.BUY.value
_REASONS = {each.value: each for each in Reason}


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


class RefoldedBooks:
    """The books of an account. Told a stretch of time after the other, fills in execution order."""

    def __init__(self, account: AccountName, held: Iterable[HeldBook], *, keep: bool) -> None:
        """With what is stored of the books that have a row, a round trip or an opening position. `keep`: the rows of
        round trips that differ, and not their names alone, are kept."""
        self._account, self._keep = account, keep
        self._books: dict[str, RefoldedBook] = {}
        for each in held:
            self._add(each)

    def take_stretch(self, fills: Iterable[FillText], stored: Iterable[StoredText]) -> None:
        """The fills of a stretch, and the stored round trips that closed in it."""
        books = self._books
        for key, fill in fills:
            # One without a row has fills only.
            (books.get(key) or self._begin(key)).take(fill)
        for key, first_exec_id, row in stored:
            books[key].stored((first_exec_id, row))
        for book in books.values():
            book.end_stretch()

    def all(self) -> list[RefoldedBook]:
        return list(self._books.values())

    def _begin(self, text: str) -> RefoldedBook:
        position_idx, bot, symbol = text.split("\t", 2)
        key = BookKey(account=self._account, bot=BotId(bot), symbol=Symbol(symbol), position_idx=int(position_idx))
        return self._add(HeldBook(book=TradeBook(key=key), opening=None))

    def _add(self, held: HeldBook) -> RefoldedBook:
        key = held.book.key
        book = self._books[f"{key.position_idx}\t{key.bot}\t{key.symbol}"] = RefoldedBook(held, self._keep)
        return book


_Name = tuple[str, str]
"""What tells a book's round trips apart, as the primary key does: the id of the first fill, and its time as text. By a
hand in the table an id can be there with more than one time."""


class RefoldedBook:
    """One of them. Round trips are kept until they were compared; `missing` and `changed` have the row that should be,
    by the one that tells it apart (the stored one), and are empty texts unless rows are kept."""

    def __init__(self, held: HeldBook, keep: bool) -> None:
        beginning = held.beginning()
        self.key = beginning.key
        self.fills = self.trades = 0
        self.missing: dict[_Name, TradeRow] = {}
        self.changed: dict[_Name, TradeRow] = {}
        self.extra: set[_Name] = set()
        self.wrong_since: datetime | None = None
        self.disagreements: list[ClosingDisagreement] = []
        self._stored, self._opening, self._keep = held.book, held.opening, keep
        self._fold = BookFold(beginning)
        self._opened_at = "" if beginning.open_trade is None else _time(beginning.open_trade.opened_at)
        self._last = ""
        self._closed: dict[tuple[str, str], bool] = {}
        self._other: list[tuple[str, str]] = []

    def take(self, fill: str) -> None:
        """Folds the next fill."""
        at, seq, leaves, exec_type, side, price, size, fee, closed, reason, exec_id = fill.split("\t", _TABS_OF_FILL)
        exec_time = _from_text(at)
        if self._opening is not None and self._opening.has_counted(exec_time, int(seq)):
            return
        self.fills += 1
        self._last = fill
        fold, quantity, buys, is_funding = self._fold, Decimal(size), side == _BUY, exec_type == _FUNDING
        held = fold.quantity
        if held and (held > 0) != buys:
            # As a rule an exit closes all of its own quantity.
            if (closed != size or abs(held) < quantity) and not is_funding:
                self._check_closing(ExecId(exec_id), exec_time, buys, quantity, Decimal(closed))
        else:
            if closed != "0" and not is_funding:
                self._check_closing(ExecId(exec_id), exec_time, buys, quantity, Decimal(closed))
            if not held and not is_funding:
                self._opened_at = at
        trade = fold.add(
            cast(ExecId, exec_id), exec_time, is_funding, buys, Decimal(price), quantity, Decimal(fee), _REASONS[reason]
        )
        if trade is not None:
            self.trades += 1
            self._closed[trade.first_exec_id, self._text(trade, at, seq, leaves)] = True
            self._opened_at = at  # of the next trip, where this fill flips

    def stored(self, trade: tuple[str, str]) -> None:
        """A stored round trip that closed in the stretch whose fills were taken last: id of its first fill, row."""
        if not self._closed.pop(trade, False):
            self._other.append(trade)

    def end_stretch(self) -> None:
        """All that is stored of the stretch has been told."""
        if not self._closed and not self._other:
            return
        closed = {}
        for trade in self._closed:
            row = self._row(trade)
            closed[_name(row)] = row
        for trade in self._other:
            stored = self._row(trade)
            name = _name(stored)
            rebuilt = closed.pop(name, None)
            if rebuilt is None:
                self.extra.add(name)
            elif not _same_values(rebuilt, stored):
                self._differs(self.changed, name, rebuilt)
        for name, rebuilt in closed.items():
            self._differs(self.missing, name, rebuilt)
        self._closed.clear()
        self._other.clear()

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

    def _differs(self, among: dict[_Name, TradeRow], name: _Name, rebuilt: TradeRow) -> None:
        among[name] = rebuilt if self._keep else ()
        self._is_wrong_since(_from_text(rebuilt[_CLOSED_AT]))

    def _is_wrong_since(self, time: datetime) -> None:
        if self.wrong_since is None or time < self.wrong_since:
            self.wrong_since = time

    def _book(self) -> TradeBook:
        if self._last:
            at, seq, leaves, *_, exec_id = self._last.split("\t", _TABS_OF_FILL)
            self._fold.ended_with(ExecutionOrder(_from_text(at), int(seq), -Decimal(leaves), exec_id))
        return self._fold.book()

    def _check_closing(self, exec_id: ExecId, at: datetime, buys: bool, quantity: Decimal, said: Decimal) -> None:
        held = self._fold.quantity
        folded = closed_of(held, buys, quantity)
        if folded != said and len(self.disagreements) < _DISAGREEMENTS_TOLD:
            self.disagreements.append(ClosingDisagreement(exec_id=exec_id, held=held, said=said, folded=folded))
            self._is_wrong_since(at)

    def _text(self, trade: Trade, at: str, seq: str, leaves: str) -> str:
        """The row of the round trip that a fill closed, as PostgreSQL writes TRADE_TEXT."""
        fold = self._fold
        realized_pnl, fees, funding, fill_count = fold.totals
        amounts = (
            f"{trade.quantity!s}\t{trade.entry_price!s}\t{trade.exit_price!s}\t{trade.gross_pnl!s}\t{trade.fees!s}"
            f"\t{trade.funding!s}\t{realized_pnl!s}\t{fees!s}\t{funding!s}"
        )
        if "E" in amounts:
            # PostgreSQL writes no exponents.
            amounts = "\t".join([f"{Decimal(amount):f}" for amount in amounts.split("\t")])
        return (
            f"{amounts}\t{leaves}\t{trade.direction._value_}\t{self._opened_at}\t{at}\t{trade.fill_count}"
            f"\t{trade.entry_reason._value_}\t{trade.exit_reason._value_}\t{seq}\t{'f' if fold.quantity else 't'}"
            f"\t{fill_count}\t{trade.last_exec_id}"
        )

    def _row(self, trade: tuple[str, str]) -> TradeRow:
        """Of the id of its first fill and its text."""
        first_exec_id, text = trade
        values = dict(zip(TRADE_TEXT, text.split("\t", len(TRADE_TEXT) - 1), strict=True))
        values |= zip(KEY, map(str, key_row(self.key)), strict=True)
        values["first_exec_id"] = first_exec_id
        return tuple(values[column] for column in TRADE_ROW)


def _name(row: TradeRow) -> _Name:
    return row[_FIRST_EXEC_ID], row[_OPENED_AT]


def _same_values(rebuilt: TradeRow, stored: TradeRow) -> bool:
    """Whether two rows differ in nothing but zeros at the end of an amount, which says nothing about who wrote them."""
    differing = [n for n, (ours, theirs) in enumerate(zip(rebuilt, stored, strict=True)) if ours != theirs]
    return all(TRADE_ROW[n] in _AMOUNTS and Decimal(rebuilt[n]) == Decimal(stored[n]) for n in differing)


_from_text = datetime.fromisoformat


def _time(time: datetime) -> str:
    """As PostgreSQL writes a time of UTC."""
    text = time.astimezone(UTC).isoformat(" ")[: -len("+00:00")]
    return (text.rstrip("0") if "." in text else text) + "+00"
