"""What a batch writes: fills, books, round trips, numbers and heads, in one statement when there are few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alpha.domain.ids import AccountName, BotId
from alpha.domain.trade_book import TradeBook
from alpha.ledger.book_rows import BOOK_COLUMNS, FLAT_POINT_COLUMNS, KEY, TRADE_COLUMNS, row_of_book, row_of_closed
from alpha.ledger.connection import Cursor
from alpha.ledger.fill_copy import copy_fills
from alpha.ledger.fill_rows import RECORDED_COLUMNS, RecordedFill, row_of_recorded
from alpha.ledger.folding import ClosedTrade
from alpha.ledger.json_rows import json_rows
from alpha.ledger.prepared import PreparedStatement
from alpha.ledger.trade_copy import copy_trades


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadAdvance:
    """What an account's head gains: so many fills, of which the newest has this (market) time."""

    account: AccountName
    fills: int
    last_exec_time: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersTaken:
    """A bot's fills got the numbers after `before`, up to `last`."""

    bot: BotId
    before: int
    last: int


BOOK_ROW = (*KEY, *BOOK_COLUMNS)
TRADE_ROW = (*KEY, *TRADE_COLUMNS, *FLAT_POINT_COLUMNS)
# COPY takes half as long per row and twice as long for one.
FILLS_COPIED_FROM: Final = 6
_TRADES_COPIED_FROM = 12

_fills = ", ".join((*RECORDED_COLUMNS, "epoch"))
_books, _trades = ", ".join(BOOK_ROW), ", ".join(TRADE_ROW)
_WRITE = PreparedStatement(
    "write_batch",
    f"""
    (json, json, json, json, json) AS
    WITH fills AS (
        INSERT INTO trading.fills ({_fills})
        SELECT {_fills} FROM json_populate_recordset(NULL::trading.fills, $5)
    ), books AS (
        INSERT INTO trading.books ({_books})
        SELECT {_books} FROM json_populate_recordset(NULL::trading.books, $1)
        ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in BOOK_COLUMNS)}, updated_at = clock_timestamp()
    ), trades AS (
        INSERT INTO trading.trades ({_trades})
        SELECT {_trades} FROM json_populate_recordset(NULL::trading.trades, $2)
    ), heads AS (
        UPDATE trading.account_head AS h
        SET fills = h.fills + n.fills, last_exec_time = greatest(h.last_exec_time, n.last_exec_time),
            last_recorded_at = n.recorded_at
        FROM json_to_recordset($3)
            AS n (account text, fills bigint, last_exec_time timestamptz, recorded_at timestamptz)
        WHERE h.account = n.account
    ), numbers AS (
        SELECT * FROM json_to_recordset($4) AS n (bot text, before bigint, last bigint)
    ), raised AS (
        UPDATE trading.bot_heads AS h SET last_seq = n.last
        FROM numbers AS n WHERE h.bot = n.bot AND h.last_seq = n.before RETURNING 1
    ), begun AS (
        INSERT INTO trading.bot_heads (bot, last_seq)
        SELECT bot, last FROM numbers WHERE before = 0
        ON CONFLICT (bot) DO NOTHING RETURNING 1
    )
    SELECT (SELECT count(*) FROM raised) + (SELECT count(*) FROM begun)
    """,
)


def write_batch(
    cursor: Cursor,
    *,
    fills: Sequence[RecordedFill] = (),
    epochs: Mapping[AccountName, int] | None = None,
    books: Iterable[TradeBook] = (),
    trades: Sequence[ClosedTrade] = (),
    heads: Sequence[HeadAdvance] = (),
    numbers: Sequence[NumbersTaken] = (),
) -> bool:
    """Inserts fills and round trips, which are new, stores the books as they are now, and advances heads and numbers.
    Each fill gets the epoch that `epochs` has for its account.

    False when a bot's numbers were not what they were said to be before: the transaction must then be rolled back.
    """
    if len(fills) >= FILLS_COPIED_FROM:
        copy_fills(cursor, fills, epochs or {})
        fills = ()
    if len(trades) >= _TRADES_COPIED_FROM:
        copy_trades(cursor, trades)
        trades = ()
    _WRITE.execute(
        cursor,
        (
            json_rows([dict(zip(BOOK_ROW, row_of_book(book), strict=True)) for book in books]),
            json_rows([dict(zip(TRADE_ROW, row_of_closed(closed), strict=True)) for closed in trades]),
            json_rows(heads),
            json_rows(numbers),
            json_rows([row_of_recorded(each) | {"epoch": (epochs or {})[each.fill.account]} for each in fills]),
        ),
    )
    ((taken,),) = cursor.fetchall()
    return bool(taken == len(numbers))
