"""Who locks all tables takes the accounts' heads first, as every recorder does: nobody holds what another waits for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.ids import AccountName
from alpha.domain.side import Side
from alpha.ledger import fills as recording
from alpha.ledger.connection import LOCK_NOT_AVAILABLE, Connection, Dsn, LedgerUnavailable, connect, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import Taking, lock_heads, release_leases, renew_leases, take_account, take_expired
from alpha.ledger.rollup_check import check_days
from alpha.ledger.rollups import pack_indexes, pack_month, rebuild_rollups, reporting_zone, set_reporting_zone
from database.migrate import MIGRATIONS, migrate, read_migrations
from tests.integration.ledger.heard import MAIN, heard
from tests.integration.rollups.days import FIRST, LAST, a_week_later, at_hour
from tests.support import eventually

pytestmark = pytest.mark.patches_source


class Meanwhile:
    """Does something in another thread when a recorder has folded a late fill, and has yet to write it. The recorder
    goes on as soon as the other waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, recorder: Connection, watching: Connection) -> None:
        self._recorder, self._watching = recorder, watching
        self._write_batch = recording.write_batch
        monkeypatch.setattr(recording, "write_batch", self._interleaved)
        self._work: Callable[[], object] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[object] | None = None

    def record_late(self, recorder: FillRecorder, work: Callable[[], object]) -> object:
        """Records a fill between the two of `round_trip`; answers what came of the work, which ends when it is
        committed."""
        self._work = work
        with self._pool:
            result = recorder.record([heard(at_hour(3, Side.SELL, "1", at="110"))])
            assert result.refolded == 1
            assert self._done is not None
            return self._done.result(60)

    def _interleaved(self, *args: Any, **kwargs: Any) -> bool:
        if self._work is not None:
            self._done = other = self._pool.submit(self._work)
            self._work = None
            # Or to have given up waiting, which some do soon.
            eventually(
                lambda: waiting_for(self._watching, self._recorder) or other.done(), what="the other one to wait"
            )
        return self._write_batch(*args, **kwargs)


def round_trip(recorder: FillRecorder) -> None:
    recorder.record([heard(at_hour(hour, Side.BUY if hour == 1 else Side.SELL, "1", at="100")) for hour in (1, 5)])


def waiting_for(watching: Connection, holder: Connection) -> list[tuple[object, ...]]:
    """The process ids of those who wait for a lock of the holder's."""
    with transaction(watching) as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (holder.info.backend_pid,)
        )
        return cursor.fetchall()


@pytest.mark.parametrize(
    "work", [rebuild_rollups, lambda commander: set_reporting_zone(commander, "Asia/Kolkata")], ids=["rebuild", "zone"]
)
def test_sums_are_made_anew_beside_a_late_fill(
    work: Callable[[Connection], int],
    login: Callable[[str], Connection],
    writer: Connection,
    recorder: FillRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commander, owner = login("commander"), login("owner")
    round_trip(recorder)
    meanwhile = Meanwhile(monkeypatch, writer, owner)
    # one row of sums: of one bot, one symbol and one day
    assert meanwhile.record_late(recorder, lambda: work(commander)) == 1
    assert check_days(owner, FIRST, LAST) == []
    assert reporting_zone(owner) == ("UTC" if work is rebuild_rollups else "Asia/Kolkata")
    with transaction(owner) as cursor:
        cursor.execute("SELECT fills, trades FROM trading.bot_symbol_days")
        assert cursor.fetchall() == [(3, 1)]


def test_sums_are_made_anew_while_a_month_is_being_packed(
    login: Callable[[str], Connection], recorder: FillRecorder
) -> None:
    # given a month whose packing waits for somebody who reads it
    recorder.record([heard(at_hour(1, Side.BUY, "1", at="100"))])
    owner, watching, commander, reader = login("owner"), login("owner"), login("commander"), login("reader")
    with ThreadPoolExecutor(1) as beside:
        with transaction(reader) as cursor:
            cursor.execute("SELECT FROM trading.fills")
            packing = beside.submit(pack_month, owner, FIRST)
            eventually(lambda: waiting_for(watching, reader), what="packing to wait")
            # then nobody who waits for the sums waits for that
            with transaction(commander) as other:
                other.execute("SET LOCAL lock_timeout = '5s'")
                assert rebuild_rollups(commander) == 1
            assert not packing.done()
        assert packing.result(60) > 0


def test_packing_at_night_gives_way_to_a_fill_of_a_month_that_is_over(
    login: Callable[[str], Connection], writer: Connection, recorder: FillRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a month of which nothing was recorded for a week
    owner, sync = login("owner"), login("sync_writer")
    round_trip(recorder)
    a_week_later(owner)

    def pack() -> str:
        with pytest.raises(LedgerUnavailable) as given_up:
            pack_indexes(sync)
        return given_up.value.sqlstate

    # when it is packed while a late fill is recorded, for which its indexes were read and it has yet to be written
    meanwhile = Meanwhile(monkeypatch, writer, owner)
    # then the fill goes first, and the month is left for another night
    assert meanwhile.record_late(recorder, pack) == LOCK_NOT_AVAILABLE
    a_week_later(owner)
    assert pack_indexes(sync) > 0


def test_leases_are_renewed_while_recording_is_held_up_and_nothing_changes_hands(
    login: Callable[[str], Connection], writer: Connection, epochs: dict[AccountName, int]
) -> None:
    # given an account whose lease has expired, and another listener that waits for it
    release_leases(writer, epochs)
    owner, standby = login("owner"), login("ledger_writer")
    # when all recording is held up
    with transaction(owner) as cursor:
        cursor.execute("SELECT trading.hold_recording()")
        # then the other does not get it, nor ends who holds it up
        assert take_expired(standby, [MAIN], "standby") == Taking(epochs={}, blocked=frozenset())
        # and the holder goes on where it was
        assert renew_leases(writer, epochs, ttl_s=30) == frozenset()
    assert take_expired(standby, [MAIN], "standby") == Taking(epochs={}, blocked=frozenset())


def test_a_holder_that_stopped_within_a_batch_is_found_also_beside_one_who_would_hold_up_recording(
    login: Callable[[str], Connection], writer: Connection, epochs: dict[AccountName, int]
) -> None:
    # given a holder that has stopped with its head locked, and whose lease has expired
    release_leases(writer, epochs)
    watching, commander, standby = login("owner"), login("commander"), login("ledger_writer")
    with ThreadPoolExecutor(1) as beside, transaction(writer) as cursor:
        lock_heads(cursor, epochs)
        # when sums are to be made anew
        rebuilding = beside.submit(rebuild_rollups, commander)
        eventually(lambda: waiting_for(watching, writer) or rebuilding.done(), what="the sums to wait")
        # then they do not wait for it for ever
        with pytest.raises(LedgerUnavailable, match="recording could not be held up") as given_up:
            rebuilding.result(30)
        assert given_up.value.sqlstate == LOCK_NOT_AVAILABLE
        # and the other listener sees who is in the way
        assert take_expired(standby, [MAIN], "standby") == Taking(epochs={}, blocked=frozenset({MAIN}))


def of_migrations_before(name: str, folder: Path) -> Path:
    folder.mkdir()
    for migration in read_migrations():
        if migration.name < name:
            shutil.copy(MIGRATIONS / f"{migration.name}.sql", folder)
    return folder


@pytest.mark.parametrize("name", ["0024_recording_rows", "0027_recording_held_up"])
def test_triggers_of_fills_change_beside_a_late_fill(
    empty: Dsn, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty, of_migrations_before(name, tmp_path / "earlier"))
    with closing(connect(empty, "recording")) as writer, closing(connect(empty, "watching")) as watching:
        recorder = FillRecorder(writer, {MAIN: take_account(writer, MAIN, "tests")})
        round_trip(recorder)
        meanwhile = Meanwhile(monkeypatch, writer, watching)
        applied = meanwhile.record_late(recorder, lambda: migrate(empty))
        assert applied == [migration.name for migration in read_migrations() if migration.name >= name]
        # and what comes next is counted once
        recorder.record([heard(at_hour(6, Side.SELL, "1", at="110"))])
        assert check_days(watching, FIRST, LAST) == []
        with transaction(watching) as cursor:
            cursor.execute("SELECT fills FROM trading.bot_symbol_days")
            assert cursor.fetchall() == [(4,)]
