"""A small batch in one statement: one round trip and one wait for the disk, where the long way takes four round trips.

The statement writes everything or, when anything is not as the recorder remembers it, nothing. It sees the tables as
they were when it began. Should it wait for the lock on a head then, it gets that row as it is afterwards: whoever wrote
for the account meanwhile has raised its epoch, its number of fills or the version of its books. So while the heads are
as remembered, nothing else of the accounts can have changed since either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alpha.domain.ids import AccountName
from alpha.domain.trade_book import TradeBook
from alpha.ledger.batch_rows import BOOK_ROW, TRADE_ROW, NumbersTaken
from alpha.ledger.book_rows import BOOK_COLUMNS, KEY, row_of_book, row_of_closed
from alpha.ledger.connection import Connection, single_statement
from alpha.ledger.fill_rows import RECORDED_COLUMNS, RecordedFill, row_of_recorded
from alpha.ledger.folding import ClosedTrade
from alpha.ledger.json_rows import json_rows
from alpha.ledger.prepared import PreparedStatement, text_array
from alpha.ledger.repeats import SAME_EXECUTION

MOST_AT_ONCE = 8
"""Fills; of more, COPY makes up for its round trips."""


@dataclass(frozen=True, slots=True)
class ExpectedHead:
    """An account's head as it has to be, and what it gains: so many fills, the newest of this (market) time."""

    account: AccountName
    epoch: int
    books_version: int
    fills: int
    gained: int
    last_exec_time: datetime


_fills = ", ".join([name for name in RECORDED_COLUMNS if name != "recorded_at"] + ["epoch"])
_books, _trades = ", ".join(BOOK_ROW), ", ".join(TRADE_ROW)
# Behind a sub-select the planner does not see how many accounts and bots there are: it keeps one plan, where it would
# otherwise make a new one each time, which takes longer than all the rest.
_RECORD_TEXT = f"""
    (text[], text[], json, json, json, json{{more}}) AS
    WITH expected AS (
        SELECT * FROM json_to_recordset($3) AS e
            (account text, epoch bigint, books_version bigint, fills bigint, gained bigint, last_exec_time timestamptz)
    ), numbers AS (
        SELECT * FROM json_to_recordset($4) AS n (bot text, before bigint, last bigint)
    ), told AS MATERIALIZED (
        SELECT {_fills} FROM json_populate_recordset(NULL::trading.fills, $5)
    ), heads AS MATERIALIZED (
        SELECT account, epoch, books_version, fills FROM trading.account_head
        WHERE account = ANY ((SELECT $1)::text[]) ORDER BY account FOR UPDATE
    ), bot_heads AS MATERIALIZED (
        SELECT bot, last_seq FROM trading.bot_heads WHERE bot = ANY ((SELECT $2)::text[]) ORDER BY bot FOR UPDATE
    ), checked AS MATERIALIZED (
        -- In this order: accounts are locked before bots, everywhere.
        SELECT CASE
            WHEN (SELECT count(*) FROM heads JOIN expected USING (account, epoch, books_version, fills))
                <> cardinality($1) THEN false
            WHEN (SELECT count(*) FROM bot_heads AS h JOIN numbers AS n ON n.bot = h.bot AND n.before = h.last_seq)
                <> cardinality($2) THEN false
            ELSE NOT EXISTS (
                SELECT FROM told AS k
                CROSS JOIN LATERAL (SELECT FROM trading.fills AS f WHERE {SAME_EXECUTION} LIMIT 1) AS f
            )
        END AS as_expected
    ), taken AS MATERIALIZED (
        SELECT as_expected, clock_timestamp() AS at FROM checked
    ), new_fills AS (
        INSERT INTO trading.fills ({_fills}, recorded_at)
        SELECT {_fills}, taken.at
        FROM taken, told WHERE taken.as_expected
    ), new_books AS (
        INSERT INTO trading.books ({_books})
        SELECT {_books} FROM taken, json_populate_recordset(NULL::trading.books, $6) WHERE taken.as_expected
        ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in BOOK_COLUMNS)}, updated_at = clock_timestamp()
    ){{new_trades}}, advanced AS (
        UPDATE trading.account_head AS h
        SET fills = h.fills + e.gained, last_exec_time = greatest(h.last_exec_time, e.last_exec_time),
            last_recorded_at = taken.at
        FROM taken, expected AS e WHERE taken.as_expected AND h.account = e.account
    ), raised AS (
        UPDATE trading.bot_heads AS h SET last_seq = n.last
        FROM taken, numbers AS n WHERE taken.as_expected AND h.bot = n.bot
    )
    SELECT as_expected, at FROM taken
    """
_NEW_TRADES = f""", new_trades AS (
        INSERT INTO trading.trades ({_trades})
        SELECT {_trades} FROM taken, json_populate_recordset(NULL::trading.trades, $7) WHERE taken.as_expected
    )"""
# A fill that closes nothing, as every other does, need not set in motion what counts round trips.
_RECORD = PreparedStatement("record_at_once", _RECORD_TEXT.format(more="", new_trades=""))
_RECORD_CLOSING = PreparedStatement(
    "record_closing_at_once", _RECORD_TEXT.format(more=", json", new_trades=_NEW_TRADES)
)


def record_at_once(
    connection: Connection,
    *,
    fills: Sequence[RecordedFill],
    epochs: Mapping[AccountName, int],
    heads: Sequence[ExpectedHead],
    numbers: Sequence[NumbersTaken],
    books: Sequence[TradeBook],
    trades: Sequence[ClosedTrade],
) -> datetime | None:
    """Writes a batch and commits it; answers the database's clock once the heads were locked, which stands as the time
    of recording in place of the fills' own. None when something was not as expected, and nothing was written.

    Raises LedgerUnavailable and LedgerRefused; outside of any transaction only.
    """
    parameters = [
        text_array(sorted([head.account for head in heads])),
        text_array(sorted([each.bot for each in numbers])),
        json_rows(heads),
        json_rows(numbers),
        json_rows([row_of_recorded(each) | {"epoch": epochs[each.fill.account]} for each in fills]),
        json_rows([dict(zip(BOOK_ROW, row_of_book(book), strict=True)) for book in books]),
    ]
    if trades:
        parameters.append(json_rows([dict(zip(TRADE_ROW, row_of_closed(each), strict=True)) for each in trades]))
    with single_statement(connection) as cursor:
        (_RECORD_CLOSING if trades else _RECORD).execute(cursor, parameters)
        ((as_expected, at),) = cursor.fetchall()
    return at if as_expected else None
