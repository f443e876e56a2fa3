"""Where a late fill is folded on from is found without reading the round trips of its bot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.fill import ExecutionOrder
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.position import Position
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.ledger.books import flat_point_before, load_books, rebuild_books
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from tests.integration.ledger.heard import BOOK, BOT, MAIN, heard
from tests.unit.domain.fills import BTCUSDT, START, a_fill

Login = Callable[[str], Connection]
_SYMBOLS, _TRIPS = 5, 2_000
"""Of a bot, and of each of its books."""
_TRIP_S = 60
_LAST = START + timedelta(seconds=_TRIP_S * _TRIPS)
_FEW_ROWS, _FEW_BLOCKS = 10, 20


@pytest.fixture
def ledger(login: Login) -> Iterator[Cursor]:
    """10,000 round trips, a minute each: in the book of BTCUSDT and in four others of its bot."""
    owner = login("owner")
    with transaction(owner) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.trades (
                account, bot, symbol, position_idx, first_exec_id, last_exec_id, direction, opened_at, closed_at,
                quantity, entry_price, exit_price, gross_pnl, fees, funding, fill_count, entry_reason, exit_reason,
                last_seq, last_leaves_quantity, ends_flat,
                book_realized_pnl, book_fees, book_funding, book_fill_count)
            SELECT
                %(account)s, %(bot)s, CASE s WHEN 0 THEN %(symbol)s ELSE 'COIN' || s || 'USDT' END, 0,
                s || '-first-' || n, s || '-last-' || n, 'long',
                %(start)s + make_interval(secs => %(trip_s)s * (n - 1)),
                %(start)s + make_interval(secs => %(trip_s)s * n),
                1, 100, 101, 1, 0, 0, 2, 'entry', 'exit', n, 0, true, n, 0, 0, 2 * n
            FROM generate_series(1, %(trips)s) AS n, generate_series(0, %(symbols)s - 1) AS s
            """,
            {
                "account": MAIN,
                "bot": BOT,
                "symbol": BTCUSDT,
                "start": START,
                "trip_s": _TRIP_S,
                "trips": _TRIPS,
                "symbols": _SYMBOLS,
            },
        )
    with transaction(owner) as cursor:
        cursor.execute("ANALYZE trading.trades")
    with transaction(login("ledger_writer")) as cursor:
        yield cursor


def read_by(cursor: Cursor) -> tuple[int, int]:
    """How many rows and blocks the cursor's last question reads."""
    cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + (cursor.query or b""))
    ((found,),) = cursor.fetchall()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return _rows_read(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def _rows_read(plan: Mapping[str, Any]) -> int:
    below = plan.get("Plans", ())
    if below:
        return sum(map(_rows_read, below))
    return int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])


@pytest.mark.parametrize(
    ("key", "trips"),
    [
        pytest.param(BOOK, _TRIPS, id="a book with many"),
        pytest.param(replace(BOOK, symbol=Symbol("NEWUSDT")), 0, id="a new symbol of a bot with many"),
        pytest.param(replace(BOOK, bot=BotId("bot_002")), 0, id="a new bot"),
    ],
)
def test_the_newest_flat_point_is_found_among_many_by_reading_few(ledger: Cursor, key: BookKey, trips: int) -> None:
    held = load_books(ledger, [key])[key]
    for place in (ExecutionOrder(_LAST, _TRIPS, Decimal(0), "later"), _LAST + timedelta(seconds=1)):
        found = flat_point_before(ledger, held, place)
        rows, blocks = read_by(ledger)
        assert found.fill_count == 2 * trips
        assert rows <= _FEW_ROWS
        assert blocks <= _FEW_BLOCKS


def test_a_flat_point_lies_before_the_place_and_not_at_it(ledger: Cursor) -> None:
    held = load_books(ledger, [BOOK])[BOOK]
    last = ExecutionOrder(_LAST, _TRIPS, Decimal(0), f"0-last-{_TRIPS}")
    assert flat_point_before(ledger, held, last).fill_count == 2 * (_TRIPS - 1)
    assert flat_point_before(ledger, held, _LAST).fill_count == 2 * (_TRIPS - 1)


def test_a_flat_point_is_found_after_the_position_that_was_there_before_us(
    recorder: FillRecorder, writer: Connection, epochs: Mapping[AccountName, int]
) -> None:
    # given a position that was seen a minute after the clock of the fills that closed it, and two trips since
    seen_at = START + timedelta(minutes=1)
    opening = OpeningPosition(key=BOOK, position=Position(Decimal(-2), Decimal(120)), seq=5, at=seen_at)
    assert adopt_positions(writer, [opening], epochs) == [opening]
    sides = [(Side.BUY, "2"), (Side.BUY, "1"), (Side.SELL, "1"), (Side.BUY, "1"), (Side.SELL, "1")]
    fills = [a_fill(side, quantity, at="100", n=6 + n) for n, (side, quantity) in enumerate(sides)]
    recorder.record([heard(fill) for fill in fills])
    # when a fill comes late, after each of them
    with transaction(writer) as cursor:
        held = load_books(cursor, [BOOK])[BOOK]
        found = [
            flat_point_before(cursor, held, replace(fill, exec_id=ExecId(f"{fill.exec_id}-")).execution_order)
            for fill in fills
        ]
    # then it is folded on from the last of them that left the book flat
    assert [book.fill_count for book in found] == [1, 1, 3, 3, 5]
    assert [book.last for book in found] == [fills[n].execution_order for n in (0, 0, 2, 2, 4)]
    late = a_fill(Side.BUY, "1", at="100", n=8, leaves="1", exec_id="late")
    assert recorder.record([heard(late)]).refolded == 1
    assert all(each.is_equal for each in rebuild_books(writer, MAIN))
