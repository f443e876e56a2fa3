"""A small batch in one call: one round trip and one wait for the disk, where the long way takes four round trips.

`trading.record_at_once` writes everything or, when anything is not as the recorder remembers it, nothing. It begins
with the account's head: while that is as remembered, nothing else of the account can have changed since either. Whoever
wrote for it has raised its epoch, its number of fills or the version of its books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Final, final

from alpha.domain.errors import InvariantViolated
from alpha.domain.ids import AccountName
from alpha.domain.trade_book import TradeBook
from alpha.ledger.batch_rows import BOOK_ROW, TRADE_ROW, NumbersTaken
from alpha.ledger.book_rows import row_of_book, row_of_closed
from alpha.ledger.connection import Connection, single_statement
from alpha.ledger.copying import time_texts
from alpha.ledger.fill_rows import RECORDED_COLUMNS, RecordedFill, row_of_recorded
from alpha.ledger.folding import ClosedTrade
from alpha.ledger.prepared import PreparedStatement
from alpha.ledger.row_literals import row_array

MOST_AT_ONCE: Final = 5
"""Fills; of more, COPY makes up for its round trips."""

# The attributes of the types of the function's rows: account and bot are the same for all, the clock is the database's.
_TOLD_ONCE = ("account", "bot", "recorded_at")
TOLD_FILL = tuple(name for name in RECORDED_COLUMNS if name not in _TOLD_ONCE)
TOLD_TRADE = tuple(name for name in TRADE_ROW if name not in _TOLD_ONCE)
TOLD_BOOK = tuple(name for name in BOOK_ROW if name not in _TOLD_ONCE)
_told_fill = itemgetter(*TOLD_FILL)
_told_trade = itemgetter(*map(TRADE_ROW.index, TOLD_TRADE))
_told_book = itemgetter(*map(BOOK_ROW.index, TOLD_BOOK))

_RECORD = PreparedStatement(
    "record_at_once",
    "(text, bigint, bigint, bigint, timestamptz, text, bigint,"
    " trading.told_fill[], trading.told_trade[], trading.told_book[]) AS"
    " SELECT trading.record_at_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
)


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class ExpectedHead:
    """An account's head as it has to be, and the (market) time of the newest fill that it gains."""

    account: Final[AccountName]
    epoch: Final[int]
    books_version: Final[int]
    fills: Final[int]
    last_exec_time: Final[datetime]

    def __init__(
        self, account: AccountName, epoch: int, books_version: int, fills: int, last_exec_time: datetime
    ) -> None:
        self.account = account
        self.epoch = epoch
        self.books_version = books_version
        self.fills = fills
        self.last_exec_time = last_exec_time


def record_at_once(
    connection: Connection,
    *,
    head: ExpectedHead,
    numbers: NumbersTaken,
    fills: Sequence[RecordedFill],
    books: Sequence[TradeBook],
    trades: Sequence[ClosedTrade],
) -> datetime | None:
    """Writes fills of one account and one bot, each of which is folded into one of the books, and commits them. Answers
    the database's clock once the head was locked, which stands as the time of recording in place of the fills' own;
    None when the head was not as expected, and nothing was written.

    Raises LedgerUnavailable, and LedgerRefused also when something else was not as expected; outside of any transaction
    only.
    """
    closed = {(each.trade.key.symbol, each.trade.last_exec_id): each for each in trades}
    closed_by = [closed.pop((each.fill.symbol, each.fill.exec_id), None) for each in fills]
    if closed:
        raise InvariantViolated(f"no fill of the batch closes the round trips {list(closed)}")
    parameters = (
        head.account,
        head.epoch,
        head.books_version,
        head.fills,
        time_texts([head.last_exec_time])[0],
        numbers.bot,
        numbers.before,
        row_array([_told_fill(row_of_recorded(each)) for each in fills]),
        row_array([None if each is None else _told_trade(row_of_closed(each)) for each in closed_by]),
        row_array([_told_book(row_of_book(book)) for book in books]),
    )
    with single_statement(connection) as cursor:
        _RECORD.execute(cursor, parameters)
        row = cursor.fetchone()
    at: datetime | None = None if row is None else row[0]
    return at
