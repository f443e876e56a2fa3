"""The generated ledger of `make bench` is a ledger like any other, so that what is measured on it means something."""

from __future__ import annotations

from contextlib import closing

from alpha.ledger.connection import Connection, Dsn, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.rebuild import rebuild_account
from alpha.ledger.rollup_check import check_days, recorded_days
from benchmarks.growth_ledger import ROUND, GrowthLedger
from tests.support import Database

WHOLE = GrowthLedger(fills=2 * ROUND, full=40 * ROUND)
HALF = GrowthLedger(fills=ROUND, full=40 * ROUND)
_TOLD = "recorded_at, received_at, frame_at, epoch"
"""What depends on when and by whom a fill was recorded."""


def test_it_rebuilds_to_itself_and_goes_on_as_it_was_generated(database: Database, empty_database: Dsn) -> None:
    # given a ledger that is generated as a whole, and one whose second half is recorded
    with closing(connect(database.owner, "tests")) as whole, closing(connect(empty_database, "tests")) as half:
        WHOLE.load(whole)
        HALF.load(half)
        recorder = FillRecorder(half, {account: take_account(half, account, "tests") for account in HALF.accounts})
        recorder.record(list(HALF.next_fills(ROUND, ROUND)))
        # then both hold the same, and each is what its fills say
        for table in ("fills", "trades", "bot_symbol_days"):
            assert _rows(half, table) == _rows(whole, table)
        for connection in (whole, half):
            assert rebuild_account(connection, WHOLE.accounts[3], mend=False).differing == ()
            first, last = recorded_days(connection) or (None, None)
            assert first is not None
            assert last is not None
            assert check_days(connection, first, last) == []


def _rows(connection: Connection, table: str) -> set[tuple[object, ...]]:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT * FROM trading.{table}")
        told = [n for n, column in enumerate(cursor.description or ()) if column.name in _TOLD.split(", ")]
        rows = cursor.fetchall()
    return {tuple(value for n, value in enumerate(row) if n not in told) for row in rows}
