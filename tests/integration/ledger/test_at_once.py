"""A few fills in one statement: all of what the long way promises, also when it had to wait for somebody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.side import Side
from alpha.ledger import fills as recording
from alpha.ledger.at_once import MOST_AT_ONCE, TOLD_BOOK, TOLD_FILL, TOLD_TRADE, record_at_once
from alpha.ledger.batch_rows import TRADE_ROW
from alpha.ledger.books import books_of_account, rebuild_books
from alpha.ledger.connection import Connection, LedgerRefused, connect, transaction
from alpha.ledger.fill_rows import RECORDED_COLUMNS
from alpha.ledger.fills import Fenced, FillRecorder, RecordResult
from alpha.ledger.heads import account_heads, take_account
from alpha.ledger.reading import fills_after
from tests.integration.ledger.heard import BOT, MAIN, heard
from tests.support import Database, eventually
from tests.unit.domain.fills import a_fill


@pytest.fixture
def other(database: Database) -> Iterator[Connection]:
    with closing(connect(database.dsn("ledger_writer"), "another-listener")) as connection:
        yield connection


@pytest.fixture
def warm(recorder: FillRecorder) -> FillRecorder:
    """A recorder that has recorded two fills."""
    for n in range(2):
        recorder.record([heard(a_fill(Side.BUY, "1", at="100", n=n))])
    return recorder


def while_it_waits(database: Database, other: Connection, work: Callable[[], None], recorder: FillRecorder, n: int):  # type: ignore[no-untyped-def]
    """Records fill `n` while the other connection is in the middle of its work on the account."""
    with ThreadPoolExecutor(1) as pool:
        with transaction(other):
            work()
            recording: Future[RecordResult] = pool.submit(
                recorder.record, [heard(a_fill(Side.SELL if n % 2 else Side.BUY, "1", at="100", n=n))]
            )
            with closing(connect(database.owner, "watching")) as watching:
                eventually(lambda: waits_for_a_lock(watching))
        return recording.result(60)


def waits_for_a_lock(watching: Connection) -> bool:
    with transaction(watching) as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%at_once%'"
        )
        ((count,),) = cursor.fetchall()
    return bool(count)


def test_who_is_fenced_while_it_waits_writes_nothing(database: Database, other: Connection, warm: FillRecorder) -> None:
    with pytest.raises(Fenced):
        while_it_waits(database, other, lambda: void(take_account(other, MAIN, "another")), warm, 2)
    assert len(fills_after(other, BOT, 0)) == 2


def test_what_is_recorded_while_it_waits_is_not_recorded_again(
    database: Database, other: Connection, warm: FillRecorder, epochs: dict[str, int]
) -> None:
    # given somebody who records the same fill, and one more, under the same epoch
    def repair() -> None:
        fills = [heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in (2, 3)]
        FillRecorder(other, dict(epochs)).record(fills)  # type: ignore[arg-type]

    result = while_it_waits(database, other, repair, warm, 2)
    assert (len(result.recorded), result.duplicates) == (0, 1)
    # then the next fill follows on what the other has written
    warm.record([heard(a_fill(Side.BUY, "1", at="100", n=4))])
    assert [each.bot_seq for each in fills_after(other, BOT, 0)] == [1, 2, 3, 4, 5]
    (book,) = books_of_account(other, MAIN)
    assert book.position.quantity == 5
    assert all(each.is_equal for each in rebuild_books(other, MAIN))


@pytest.mark.patches_source
def test_what_belongs_to_nobody_and_came_meanwhile_is_answered_by_nothing_written(
    warm: FillRecorder, other: Connection, epochs: dict[AccountName, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a fill that no book takes, recorded by somebody else under the same epoch
    FillRecorder(other, epochs).record([heard(a_fill(Side.BUY, "1", at="100", n=2), bot=None)])
    # when the next is recorded by who has not heard of it
    answers = []

    def asked(*args: object, **kwargs: object) -> datetime | None:
        before = all_of_it(other)
        answers.append(record_at_once(*args, **kwargs))  # type: ignore[arg-type]
        assert (all_of_it(other) == before) is (answers[-1] is None)
        return answers[-1]

    monkeypatch.setattr(recording, "record_at_once", asked)
    result = warm.record([heard(a_fill(Side.BUY, "1", at="100", n=3))])
    # then it goes the long way, without a refusal, and the next one need not
    assert (answers, result.refused_at_once) == ([None], "")
    warm.record([heard(a_fill(Side.BUY, "1", at="100", n=4))])
    assert answers[1:] == [recorded.recorded_at for recorded in fills_after(other, BOT, 3)]
    assert account_heads(other)[MAIN].fills == 5


def all_of_it(connection: Connection) -> list[list[tuple[object, ...]]]:
    """What recording writes, row by row."""
    found = []
    with transaction(connection) as cursor:
        for table in ("account_head", "bot_heads", "fills", "books", "trades", "bot_symbol_days"):
            cursor.execute(f"SELECT * FROM trading.{table} AS each ORDER BY each")
            found.append(cursor.fetchall())
    return found


def test_a_repeat_a_late_fill_and_a_new_bot_go_the_long_way(warm: FillRecorder, other: Connection) -> None:
    again = warm.record([heard(a_fill(Side.BUY, "1", at="100", n=1))])
    assert (len(again.recorded), again.duplicates) == (0, 1)
    warm.record([heard(a_fill(Side.BUY, "1", at="100", n=6))])
    late = warm.record([heard(a_fill(Side.BUY, "1", at="90", n=4))])
    assert late.refolded == 1
    warm.record([heard(a_fill(Side.BUY, "1", at="100", n=7), bot=BotId("bot_002"))])
    warm.record([heard(a_fill(Side.SELL, "1", at="120", n=8))])
    assert all(each.is_equal for each in rebuild_books(other, MAIN))


def test_what_is_refused_at_once_goes_the_long_way_and_says_why(
    database: Database, warm: FillRecorder, other: Connection
) -> None:
    assert warm.record([heard(a_fill(Side.BUY, "1", at="100", n=2))]).refused_at_once == ""
    with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute("REVOKE EXECUTE ON FUNCTION trading.record_at_once FROM alpha_ledger_writer")
    result = warm.record([heard(a_fill(Side.BUY, "1", at="100", n=3))])
    assert [each.bot_seq for each in result.recorded] == [4]
    assert "permission denied for function record_at_once" in result.refused_at_once
    assert len(fills_after(other, BOT, 0)) == 4


def test_a_repeat_beside_new_fills_undoes_nothing_and_doubles_nothing(warm: FillRecorder, other: Connection) -> None:
    again = warm.record([heard(a_fill(Side.BUY, "1", at="100", n=n)) for n in (1, 2, 3)])
    assert ([each.bot_seq for each in again.recorded], again.duplicates) == ([3, 4], 1)
    assert account_heads(other)[MAIN].fills == 4
    (book,) = books_of_account(other, MAIN)
    assert book.position.quantity == 4


@pytest.mark.parametrize("others", [0, MOST_AT_ONCE])
def test_an_id_of_another_symbol_is_another_execution(warm: FillRecorder, other: Connection, others: int) -> None:
    same_id = replace(a_fill(Side.BUY, "1", at="100", n=3, exec_id="exec-1"), symbol=Symbol("ETHUSDT"))
    warm.record([heard(replace(a_fill(Side.BUY, "1", at="100", n=2), symbol=Symbol("ETHUSDT")))])
    more = [heard(a_fill(Side.BUY, "1", at="100", n=4 + n)) for n in range(others)]
    result = warm.record([heard(same_id), *more])
    assert (len(result.recorded), result.duplicates, result.conflicts) == (1 + others, 0, [])
    assert len(fills_after(other, BOT, 0)) == 4 + others


def test_the_time_of_recording_is_later_than_what_was_waited_for(
    database: Database, other: Connection, warm: FillRecorder
) -> None:
    """Also where the other has changed nothing: a proof reads under the lock, and what comes after it is newer."""
    with ThreadPoolExecutor(1) as pool:
        with transaction(other) as cursor:
            cursor.execute("SELECT FROM trading.account_head WHERE account = %s FOR UPDATE", (MAIN,))
            recording = pool.submit(warm.record, [heard(a_fill(Side.BUY, "1", at="100", n=2))])
            with closing(connect(database.owner, "watching")) as watching:
                eventually(lambda: waits_for_a_lock(watching))
            cursor.execute("SELECT clock_timestamp()")
            ((still_held,),) = cursor.fetchall()
        (recorded,) = recording.result(60).recorded
    assert recorded.recorded_at > still_held


def test_an_execution_that_is_told_again_with_a_later_time_is_known(warm: FillRecorder, other: Connection) -> None:
    last = a_fill(Side.BUY, "1", at="100", n=1)
    result = warm.record([heard(replace(last, exec_time=last.exec_time + timedelta(seconds=5)))])
    assert (len(result.recorded), len(result.conflicts)) == (0, 1)
    assert len(fills_after(other, BOT, 0)) == 2


@pytest.mark.parametrize(
    ("table", "columns"), [("fills", (*RECORDED_COLUMNS, "epoch")), ("trades", TRADE_ROW)], ids=["fills", "trades"]
)
def test_the_function_leaves_out_no_column(writer: Connection, table: str, columns: tuple[str, ...]) -> None:
    found = re.search(rf"INSERT INTO trading.{table} \((.*?)\)", source_of_the_function(writer), re.DOTALL)
    assert found is not None
    assert sorted(found[1].replace(",", " ").split()) == sorted(columns)


def test_the_function_leaves_out_no_column_of_a_book(writer: Connection) -> None:
    assert set(re.findall(r"(\w+) = book\.\1", source_of_the_function(writer))) == set(TOLD_BOOK)


@pytest.mark.parametrize(("name", "told"), [("fill", TOLD_FILL), ("trade", TOLD_TRADE), ("book", TOLD_BOOK)])
def test_what_is_told_is_in_the_order_of_its_type(writer: Connection, name: str, told: tuple[str, ...]) -> None:
    with transaction(writer) as cursor:
        cursor.execute(
            "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = %s::regclass",
            (f"trading.told_{name}",),
        )
        ((attributes,),) = cursor.fetchall()
    assert tuple(attributes) == told


@pytest.mark.parametrize(
    "text",
    ['with "quotes"', "back\\slash", "a,b)", "{brace}", "", " ", "NULL", "null", "tab\tline\n", "\u00fc\U0001f600"],
)
def test_texts_arrive_as_they_are(warm: FillRecorder, other: Connection, text: str) -> None:
    warm.record([heard(replace(a_fill(Side.BUY, "1", at="100", n=2), order_link_id=text, stop_order_type=text))])
    (recorded,) = fills_after(other, BOT, 2)
    assert (recorded.fill.order_link_id, recorded.fill.stop_order_type) == (text, text)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_text_that_postgresql_does_not_keep_is_refused(warm: FillRecorder, text: str) -> None:
    with pytest.raises(LedgerRefused, match="PostgreSQL keeps"):
        warm.record([heard(replace(a_fill(Side.BUY, "1", at="100", n=2), order_link_id=text))])
    assert len(warm.record([heard(a_fill(Side.BUY, "1", at="100", n=2))]).recorded) == 1


def test_the_head_has_the_newest_time_of_all_its_bots(warm: FillRecorder, other: Connection) -> None:
    later = a_fill(Side.BUY, "1", at="100", n=60)
    for bot, fill in [(BotId("bot_002"), later), (BOT, a_fill(Side.BUY, "1", at="100", n=30))]:
        warm.record([heard(fill, bot=bot)])
    warm.record([heard(a_fill(Side.BUY, "1", at="100", n=31))])
    assert account_heads(other)[MAIN].last_exec_time == later.exec_time


def test_a_book_is_as_new_as_its_newest_fill(warm: FillRecorder, other: Connection) -> None:
    (recorded,) = warm.record([heard(a_fill(Side.BUY, "1", at="100", n=2))]).recorded
    with transaction(other) as cursor:
        cursor.execute("SELECT updated_at FROM trading.books")
        assert cursor.fetchall() == [(recorded.recorded_at,)]


def test_no_month_is_read_for_a_fill(warm: FillRecorder, writer: Connection) -> None:
    def whole_readings() -> int:
        with transaction(writer) as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
        with transaction(writer) as cursor:
            cursor.execute("SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname ~ '^fills_(2|default)'")
            ((count,),) = cursor.fetchall()
        return int(count)

    # given plans that were made while the month was empty and is without statistics
    before = whole_readings()
    for n in range(2, 30):
        warm.record([heard(a_fill(Side.SELL if n % 2 else Side.BUY, "1", at="100", n=n))])
    assert whole_readings() == before


def source_of_the_function(connection: Connection) -> str:
    with transaction(connection) as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE oid = 'trading.record_at_once'::regproc")
        ((source,),) = cursor.fetchall()
    return str(source)


def void(_: object) -> None:
    """For what is done and not looked at."""
