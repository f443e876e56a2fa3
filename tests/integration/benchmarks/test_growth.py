"""The generated ledger of `make bench` is a ledger like any other, so that what is measured on it means something."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from alpha.ledger.connection import Connection, Dsn, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.rebuild import rebuild_account
from alpha.ledger.rollup_check import check_days, recorded_days
from benchmarks import growth_store
from benchmarks.growth_ledger import FILLS_OF_TRIP, ROUND, GrowthLedger
from benchmarks.growth_store import KeptLedgers
from benchmarks.scene import BenchmarkFailed
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


def test_a_ledger_that_is_kept_is_found_as_it_was_made_whatever_was_done_to_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a ledger that a folder keeps, and a run that was killed while it generated another one
    steps: list[str] = []
    with KeptLedgers(tmp_path, steps.append) as ledgers:
        ledgers.keep(HALF)
        assert "generating round trips" in steps
        monkeypatch.setattr(GrowthLedger, "load", _die)
        with pytest.raises(Killed):
            ledgers.keep(WHOLE)
    # when another run spoils what it measures
    steps.clear()
    with KeptLedgers(tmp_path, steps.append) as ledgers:
        with ledgers.opened(HALF) as owner, closing(connect(owner, "tests")) as connection:
            assert len(_rows(connection, "fills")) == ROUND
            with transaction(connection) as cursor:
                cursor.execute("DELETE FROM trading.trades")
        # then the next finds all of it again, generated once, and a page can say so; also twice at a time, as a run
        # does that measures no more than the beginning
        with (
            ledgers.opened(HALF) as owner,
            ledgers.opened(HALF) as other,
            closing(connect(owner, "tests")) as connection,
        ):
            assert owner.dbname != other.dbname
            assert len(_rows(connection, "trades")) == ROUND // FILLS_OF_TRIP
        assert set(steps) == {f"copying {ROUND:,} fills that are kept"}
        said = re.fullmatch(r"generated in bulk on (\S+), kept, and copied for this run", ledgers.origin(HALF))
        assert said is not None
        assert date.fromisoformat(said[1]) <= datetime.now(UTC).date()
        # and half a ledger is no ledger
        with pytest.raises(Killed), ledgers.opened(WHOLE):
            pass
        # nor is one that would be generated otherwise now
        monkeypatch.setattr(growth_store, "GENERATOR", "another")
        with pytest.raises(BenchmarkFailed, match="another generator: remove it"), ledgers.opened(HALF):
            pass


class Killed(Exception):
    pass


def _die(*_: object, **__: object) -> None:
    raise Killed
