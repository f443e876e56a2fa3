"""A small batch in one call: one round trip and one wait for the disk, where the long way takes four round trips.

`trading.record_at_once` writes everything or, when anything is not as the recorder remembers it, nothing. It begins
with the account's head: while that is as remembered, nothing else of the account can have changed since either. Whoever
wrote for it has raised its epoch, its number of fills or the version of its books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from alpha.domain.ids import AccountName
from alpha.domain.trade_book import TradeBook
from alpha.ledger.batch_rows import BOOK_ROW, TRADE_ROW, NumbersTaken
from alpha.ledger.book_rows import row_of_book, row_of_closed
from alpha.ledger.connection import Connection, single_statement
from alpha.ledger.fill_rows import RecordedFill, row_of_recorded
from alpha.ledger.folding import ClosedTrade
from alpha.ledger.json_rows import json_rows
from alpha.ledger.prepared import PreparedStatement

MOST_AT_ONCE: Final = 8
"""Fills; of more, COPY makes up for its round trips."""

_RECORD = PreparedStatement(
    "record_at_once",
    "(text, bigint, bigint, bigint, bigint, timestamptz, text, bigint, bigint, json, json, json) AS"
    " SELECT trading.record_at_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
)


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class ExpectedHead:
    """An account's head as it has to be, and what it gains: so many fills, the newest of this (market) time."""

    account: Final[AccountName]
    epoch: Final[int]
    books_version: Final[int]
    fills: Final[int]
    gained: Final[int]
    last_exec_time: Final[datetime]

    def __init__(
        self, account: AccountName, epoch: int, books_version: int, fills: int, gained: int, last_exec_time: datetime
    ) -> None:
        self.account = account
        self.epoch = epoch
        self.books_version = books_version
        self.fills = fills
        self.gained = gained
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
    """Writes fills of one account and one bot and commits them; answers the database's clock once the head was locked,
    which stands as the time of recording in place of the fills' own. None when the head was not as expected, and
    nothing was written.

    Raises LedgerUnavailable, and LedgerRefused also when something else was not as expected; outside of any transaction
    only.
    """
    epoch = head.epoch
    parameters = (
        head.account,
        epoch,
        head.books_version,
        head.fills,
        head.gained,
        head.last_exec_time,
        numbers.bot,
        numbers.before,
        numbers.last,
        json_rows([row_of_recorded(each) | {"epoch": epoch} for each in fills]),
        json_rows([dict(zip(BOOK_ROW, row_of_book(book), strict=True)) for book in books]),
        json_rows([dict(zip(TRADE_ROW, row_of_closed(each), strict=True)) for each in trades]) if trades else None,
    )
    with single_statement(connection) as cursor:
        _RECORD.execute(cursor, parameters)
        row = cursor.fetchone()
    at: datetime | None = None if row is None else row[0]
    return at
