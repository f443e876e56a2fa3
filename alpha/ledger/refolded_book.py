"""A book while all its fills are folded again, beside what is stored of it.

There are millions of fills, so they are taken as PostgreSQL writes them, all columns as text, and nothing is made of
one that the fold does not need. A round trip becomes the texts of its row, so that text is compared with text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

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

FillTexts = tuple[str, ...]
"""A fill: FILL_COLUMNS as text."""
TradeTexts = tuple[str, ...]
"""A stored round trip, or what its row has to be: TRADE_ROW as text."""

FILL_COLUMNS = (
    *("bot", "symbol", "position_idx", "exec_time", "seq", "leaves_quantity", "exec_id"),
    *("exec_type", "side", "price", "quantity", "fee", "closed_quantity", "reason"),
)
_BOOK = slice(1, len(KEY))
"""Of a stored round trip, which of its account's books it is of."""
_FIRST_EXEC_ID, _OPENED_AT, _CLOSED_AT = (TRADE_ROW.index(name) for name in ("first_exec_id", "opened_at", "closed_at"))
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
        self._books: dict[tuple[str, ...], RefoldedBook] = {}
        for each in held:
            self._add(each)

    def take_stretch(self, fills: Iterable[FillTexts], stored: Iterable[TradeTexts]) -> None:
        """The fills of a stretch, and the stored round trips that closed in it."""
        books = self._books
        for fill in fills:
            book = books.get(fill[:3])
            if book is None:
                # One that has fills only.
                bot, symbol, position_idx = fill[:3]
                key = BookKey(
                    account=self._account, bot=BotId(bot), symbol=Symbol(symbol), position_idx=int(position_idx)
                )
                book = self._add(HeldBook(book=TradeBook(key=key), opening=None))
            book.take(fill)
        for trade in stored:
            books[trade[_BOOK]].stored(trade)
        for book in books.values():
            book.end_stretch()

    def all(self) -> list[RefoldedBook]:
        return list(self._books.values())

    def _add(self, held: HeldBook) -> RefoldedBook:
        key = held.book.key
        book = self._books[key.bot, key.symbol, str(key.position_idx)] = RefoldedBook(held, self._keep)
        return book


_Row = tuple[str, str]
"""What tells a book's round trips apart, as the primary key does: the id of the first fill, and its time as text. By a
hand in the table an id can be there with more than one time."""


class RefoldedBook:
    """One of them. Round trips are kept until they were compared; `missing` and `changed` have the row that should be,
    by the one that tells it apart (the stored one), and are empty texts unless rows are kept."""

    def __init__(self, held: HeldBook, keep: bool) -> None:
        beginning = held.beginning()
        self.key = beginning.key
        self.fills = self.trades = 0
        self.missing: dict[_Row, TradeTexts] = {}
        self.changed: dict[_Row, TradeTexts] = {}
        self.extra: set[_Row] = set()
        self.wrong_since: datetime | None = None
        self.disagreements: list[ClosingDisagreement] = []
        self._stored, self._opening, self._keep = held.book, held.opening, keep
        self._fold = BookFold(beginning)
        self._name = tuple(map(str, key_row(beginning.key)))
        self._opened_at = "" if beginning.open_trade is None else _time(beginning.open_trade.opened_at)
        self._last: FillTexts = ()
        self._closed: dict[_Row, TradeTexts] = {}

    def take(self, fill: FillTexts) -> None:
        """Folds the next fill."""
        _, _, _, at, seq, _, exec_id, exec_type, side, price, size, fee, closed, reason = fill
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
            ExecId(exec_id), exec_time, is_funding, buys, Decimal(price), quantity, Decimal(fee), _REASONS[reason]
        )
        if trade is not None:
            self.trades += 1
            self._closed[trade.first_exec_id, self._opened_at] = self._texts(trade, fill)
            self._opened_at = at  # of the next trip, where this fill flips

    def stored(self, trade: TradeTexts) -> None:
        """A stored round trip that closed in the stretch whose fills were taken last."""
        row = trade[_FIRST_EXEC_ID], trade[_OPENED_AT]
        rebuilt = self._closed.pop(row, None)
        if rebuilt is None:
            self.extra.add(row)
        elif rebuilt != trade and not _same_values(rebuilt, trade):
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

    def _differs(self, among: dict[_Row, TradeTexts], row: _Row, rebuilt: TradeTexts) -> None:
        among[row] = rebuilt if self._keep else ()
        self._is_wrong_since(_from_text(rebuilt[_CLOSED_AT]))

    def _is_wrong_since(self, time: datetime) -> None:
        if self.wrong_since is None or time < self.wrong_since:
            self.wrong_since = time

    def _book(self) -> TradeBook:
        if self._last:
            at, seq, leaves, exec_id = self._last[3:7]
            self._fold.ended_with(ExecutionOrder(_from_text(at), int(seq), -Decimal(leaves), exec_id))
        return self._fold.book()

    def _check_closing(self, exec_id: ExecId, at: datetime, buys: bool, quantity: Decimal, said: Decimal) -> None:
        held = self._fold.quantity
        folded = closed_of(held, buys, quantity)
        if folded != said and len(self.disagreements) < _DISAGREEMENTS_TOLD:
            self.disagreements.append(ClosingDisagreement(exec_id=exec_id, held=held, said=said, folded=folded))
            self._is_wrong_since(at)

    def _texts(self, trade: Trade, last: FillTexts) -> TradeTexts:
        """The row of TRADE_ROW as PostgreSQL writes it."""
        fold = self._fold
        realized_pnl, fees, funding, fill_count = fold.totals
        return (
            *self._name,
            trade.first_exec_id,
            trade.last_exec_id,
            trade.direction._value_,
            self._opened_at,
            last[3],
            *_amounts(trade.quantity, trade.entry_price, trade.exit_price, trade.gross_pnl, trade.fees, trade.funding),
            str(trade.fill_count),
            trade.entry_reason._value_,
            trade.exit_reason._value_,
            last[4],
            last[5],
            "false" if fold.quantity else "true",
            *_amounts(realized_pnl, fees, funding),
            str(fill_count),
        )


def _amounts(*amounts: Decimal) -> Sequence[str]:
    texts = [str(amount) for amount in amounts]
    # PostgreSQL writes no exponents.
    return [f"{Decimal(text):f}" if "E" in text else text for text in texts]


def _same_values(rebuilt: TradeTexts, stored: TradeTexts) -> bool:
    """Whether two rows differ in nothing but zeros at the end of an amount, which says nothing about who wrote them."""
    differing = [n for n, (ours, theirs) in enumerate(zip(rebuilt, stored, strict=True)) if ours != theirs]
    return all(n in _AMOUNTS and Decimal(rebuilt[n]) == Decimal(stored[n]) for n in differing)


_from_text = datetime.fromisoformat


def _time(time: datetime) -> str:
    """As PostgreSQL writes a time of UTC."""
    text = time.astimezone(UTC).isoformat(" ")[: -len("+00:00")]
    return (text.rstrip("0") if "." in text else text) + "+00"
