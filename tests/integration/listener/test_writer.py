"""The one writer against a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.domain.fill import AttributionMethod
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.ledger.connection import Connection, Fenced, LedgerUnavailable, transaction
from alpha.ledger.coverage import CoverageKind, add_interval, proven_until
from alpha.ledger.drift import blocked_bots
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.fills import FillRecorder, RecordResult
from alpha.ledger.heads import take_account
from alpha.ledger.orders import bot_of_order, open_orders
from alpha.ledger.positions import positions_of
from alpha.ledger.reading import bot_head, fills_after
from alpha.local.postgres import EmbeddedPostgres
from tests.integration.listener.heard import WritingListener, heard
from tests.support import eventually
from tests.unit.domain.fills import MAIN, START
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, an_account, an_order, said, shared
from websocket_listener.attribution import AccountOwners
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Writer

FOREIGN = Symbol("XRPUSDT")


@contextmanager
def hold_up(writer: Writer) -> Iterator[None]:
    """What is handed in meanwhile waits behind a piece of work."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        begun.set()
        go_on.wait(30)

    writer.run(wait)
    assert begun.wait(30)
    try:
        yield
    finally:
        go_on.set()


def test_whatever_waits_is_one_transaction_and_numbered_per_bot(listener: WritingListener, ledger: Connection) -> None:
    submissions = [listener.writer.record([heard(n), heard(100 + n, symbol=ETHUSDT)]) for n in range(1, 21)]
    for submission in submissions:
        assert submission is not None
        assert submission.done.wait(30)
    assert [fill.bot_seq for fill in fills_after(ledger, ONE, 0)] == list(range(1, 21))
    assert bot_head(ledger, TWO) == 20
    assert len(listener.batches) < 20
    assert listener.writer.backlog == 0


def test_the_same_fill_again_is_one_row(listener: WritingListener, ledger: Connection) -> None:
    listener.writer.record([heard(1)])
    listener.writer.record([heard(1)])
    recovered = listener.writer.record([heard(1, source=FillSource.RECOVERY), heard(2, source=FillSource.RECOVERY)])
    assert recovered is not None
    assert recovered.done.wait(30)
    assert [(fill.fill.exec_id, fill.source) for fill in fills_after(ledger, ONE, 0)] == [
        ("exec-1", FillSource.STREAM),
        ("exec-2", FillSource.RECOVERY),
    ]


def test_the_same_fill_with_other_content_is_drift_and_no_second_row(
    listener: WritingListener, ledger: Connection
) -> None:
    listener.writer.record([heard(1)])
    again = listener.writer.record([heard(1, fee=Decimal("0.5"))])
    assert again is not None
    assert again.done.wait(30)
    assert len(fills_after(ledger, ONE, 0)) == 1
    (conflict,) = [conflict for batch in listener.batches for conflict in batch.conflicts]
    assert conflict.differences == {"fee": ("0", "0.5")}
    assert blocked_bots(ledger) == {ONE}


def test_a_job_happens_after_the_fills_before_it(listener: WritingListener) -> None:
    listener.writer.record([heard(1), heard(2)])
    assert listener.writer.run(lambda connection: bot_head(connection, ONE)).result(10) == 2


def test_a_refused_job_carries_its_error_to_who_asked(listener: WritingListener) -> None:
    def forbidden(connection: Connection) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM trading.fills")

    with pytest.raises(Exception, match=r"(?i)denied|refused"):
        listener.writer.run(forbidden).result(10)
    assert listener.writer.run(lambda connection: bot_head(connection, ONE)).result(10) == 0


def test_one_fill_that_is_refused_does_not_hold_up_the_others(listener: WritingListener, ledger: Connection) -> None:
    # Text with a NUL: PostgreSQL takes none.
    bad = heard(3, order_link_id="a\x00b")
    submission = listener.writer.record([heard(1), heard(2), bad, heard(4)])
    assert submission is not None
    assert submission.done.wait(30)
    assert [fill.fill.exec_id for fill in fills_after(ledger, ONE, 0)] == ["exec-1", "exec-2", "exec-4"]
    assert submission.refused == ["exec-3"]
    assert [refused.heard for refused in listener.refused] == [bad]


def test_a_restart_of_postgresql_delays_and_loses_nothing(
    listener: WritingListener, postgres_server: EmbeddedPostgres
) -> None:
    numbers = iter(range(1, 10_000))
    first = listener.writer.record([heard(next(numbers))])
    assert first is not None
    assert first.done.wait(30)
    postgres_server.stop()
    waiting = [listener.writer.record([heard(next(numbers))], droppable=True) for _ in range(50)]
    eventually(lambda: not listener.writer.available, what="the writer to notice")
    assert listener.writer.backlog == 50
    postgres_server.start()
    for submission in waiting:
        assert submission is not None
        assert submission.done.wait(20)
    assert [fill.bot_seq for fill in listener.recorded] == list(range(1, 52))
    assert listener.writer.available


def test_a_connection_cut_in_between_is_mended(listener: WritingListener, ledger: Connection) -> None:
    pid = listener.writer.run(lambda connection: connection.info.backend_pid).result(10)
    with transaction(ledger) as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    submission = listener.writer.record([heard(1)])
    assert submission is not None
    assert submission.done.wait(30)
    assert bot_head(ledger, ONE) == 1


@pytest.mark.patches_source
def test_after_a_commit_whose_answer_was_lost_the_books_are_told_all_the_same(
    listener: WritingListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[RecordResult] = []
    record = Writer._record_once

    def record_and_lose_the_answer(self: Writer, connection: Connection, fills: Sequence[Heard]) -> RecordResult:
        result = record(self, connection, fills)
        if not lost:
            lost.append(result)
            raise LedgerUnavailable("cut off after the commit")
        return result

    monkeypatch.setattr(Writer, "_record_once", record_and_lose_the_answer)
    listener.writer.record([heard(1)])
    (committed,) = eventually(lambda: listener.batches, what="the batch")
    # its fills were there already, and who shows the position has not heard of them
    assert committed.recorded == []
    assert [book.position.quantity for book in committed.books.values()] == [1]


def test_a_fenced_account_is_given_up(listener: WritingListener, ledger: Connection) -> None:
    listener.writer.record([heard(1)])
    eventually(lambda: listener.recorded, what="the first fill")
    epoch = take_account(ledger, MAIN, "another listener")
    submission = listener.writer.record([heard(2)])
    assert submission is not None
    assert submission.done.wait(30)
    assert listener.fenced == [MAIN]
    assert (submission.fenced, submission.refused) == (frozenset({MAIN}), [])
    # the new holder writes, the old one does not
    assert [fill.fill.exec_id for fill in fills_after(ledger, ONE, 0)] == ["exec-1"]
    assert FillRecorder(ledger, {MAIN: epoch}).record([]).recorded == []


def test_of_a_fenced_account_nothing_is_written_and_the_others_go_on(
    listener: WritingListener, ledger: Connection
) -> None:
    # given two accounts, and reports and work of both that wait
    other = AccountName("other")
    listener.writer.add_account(AccountOwners(an_account(name=other), []), take_account(ledger, other, "tests"), [])
    take_account(ledger, MAIN, "another listener")
    with hold_up(listener.writer):
        listener.writer.save_orders([(an_order("mine"), ONE), (replace(an_order("its"), account=other), None)])
        listener.writer.save_positions([said("1"), said("2", account=other)])
        fenced = listener.writer.record([heard(1)])
        goes_on = listener.writer.record([heard(2, account=other)])
        work = listener.writer.run(lambda c: add_interval(c, MAIN, CoverageKind.PROVEN, START, START), account=MAIN)
    # then
    assert fenced is not None
    assert fenced.done.wait(30)
    assert fenced.fenced == {MAIN}
    assert goes_on is not None
    assert goes_on.done.wait(30)
    assert (goes_on.fenced, goes_on.refused) == (frozenset(), [])
    assert [fill.fill.account for fill in listener.recorded] == [other]
    with pytest.raises(Fenced):
        work.result(10)
    eventually(lambda: positions_of(ledger, other) and open_orders(ledger, other), what="the other's reports")
    assert (positions_of(ledger, MAIN), open_orders(ledger, MAIN), proven_until(ledger, MAIN)) == ([], [], None)
    assert listener.fenced == [MAIN]


def test_work_handed_in_under_an_epoch_that_is_gone_is_not_done_under_the_next(
    listener: WritingListener, ledger: Connection
) -> None:
    with hold_up(listener.writer):
        work = listener.writer.run(lambda c: add_interval(c, MAIN, CoverageKind.PROVEN, START, START), account=MAIN)
        listener.writer.add_account(shared(), take_account(ledger, MAIN, "tests"), [])
    with pytest.raises(Fenced):
        work.result(10)
    # and the account, which is ours under the new epoch, is not given up for that
    submission = listener.writer.record([heard(1)])
    assert submission is not None
    assert submission.done.wait(30)
    assert (listener.fenced, bot_head(ledger, ONE)) == ([], 1)


def test_what_waits_for_an_account_that_was_dropped_is_let_go(listener: WritingListener, ledger: Connection) -> None:
    with hold_up(listener.writer):
        submission = listener.writer.record([heard(1)])
        listener.writer.drop_account(MAIN)
    assert submission is not None
    assert submission.done.wait(30)
    assert submission.fenced == {MAIN}
    assert listener.writer.run(lambda _: None, account=MAIN).exception(0) is not None
    assert bot_head(ledger, ONE) == 0


def test_work_behind_fills_that_were_let_go_is_not_done(listener: WritingListener, ledger: Connection) -> None:
    with hold_up(listener.writer):
        submission = listener.writer.record([heard(1)])
        marked = listener.writer.run(lambda _: "marked as recorded", account=MAIN)
        listener.writer.drop_account(MAIN)
    assert submission is not None
    with pytest.raises(Fenced):
        marked.result(10)
    assert submission.fenced == {MAIN}
    assert fills_after(ledger, ONE, 0) == []


def test_a_turn_that_fails_says_nothing_of_the_fills_before_it(
    listener: WritingListener, ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = []

    def failing(*_: object) -> None:
        turns.append(1)
        raise RuntimeError("a turn that fails")

    monkeypatch.setattr(listener.writer, "_on_turn", failing)
    monkeypatch.setattr("websocket_listener.writer._TURN_S", 0.0)
    submissions = [listener.writer.record([heard(n)]) for n in range(1, 4)]
    for submission in submissions:
        assert submission is not None
        assert submission.done.wait(30)
        assert submission.refused == []
    eventually(lambda: turns, what="a turn")
    assert len(fills_after(ledger, ONE, 0)) == 3
    assert listener.refused == []


def test_a_report_that_is_refused_does_not_keep_the_others_out(listener: WritingListener, ledger: Connection) -> None:
    bad = replace(an_order("bad"), order_link_id="a\x00b")
    listener.writer.save_orders([(an_order("a"), ONE), (bad, ONE), (an_order("b"), ONE)])
    listener.writer.save_positions([said("1")])
    eventually(lambda: positions_of(ledger, MAIN), what="the position in the ledger")
    assert {order.order_id for order, _ in open_orders(ledger, MAIN)} == {"a", "b"}


def test_an_untagged_fill_is_its_orders_bots_as_the_ledger_knows_it(
    listener: WritingListener, ledger: Connection
) -> None:
    listener.writer.save_orders([(an_order("of-two", symbol=FOREIGN), TWO)])
    eventually(lambda: bot_of_order(ledger, MAIN, OrderId("of-two")) == TWO, what="the order in the ledger")
    submission = listener.writer.record([heard(1, symbol=FOREIGN, order_id=OrderId("of-two"))])
    assert submission is not None
    assert submission.done.wait(30)
    (fill,) = fills_after(ledger, TWO, 0)
    assert fill.attribution.method is AttributionMethod.ORDER
    # and from then on it holds the position
    submission = listener.writer.record([heard(2, symbol=FOREIGN)])
    assert submission is not None
    assert submission.done.wait(30)
    assert fills_after(ledger, TWO, 1)[0].attribution.method is AttributionMethod.HOLDER


def test_a_fill_of_nobody_is_recorded_all_the_same(listener: WritingListener) -> None:
    submission = listener.writer.record([heard(1, symbol=FOREIGN)])
    assert submission is not None
    assert submission.done.wait(30)
    (fill,) = listener.recorded
    assert (fill.attribution.bot, fill.bot_seq) == (None, None)


def test_orders_and_positions_are_stored_as_last_heard(listener: WritingListener, ledger: Connection) -> None:
    listener.writer.save_orders([(an_order("a", n=1), ONE), (an_order("a", n=2), ONE)])
    listener.writer.save_positions([said("1", seq=1), said("-2", seq=2)])
    eventually(lambda: positions_of(ledger, MAIN), what="the position in the ledger")
    assert [position.position.quantity for position in positions_of(ledger, MAIN)] == [Decimal(-2)]
    assert [order.updated_at for order, _ in open_orders(ledger, MAIN)] == [an_order(n=2).updated_at]


def test_coverage_goes_through_the_writer(listener: WritingListener) -> None:
    listener.writer.run(lambda connection: add_interval(connection, MAIN, CoverageKind.PROVEN, START, START)).result(10)
    assert listener.writer.run(lambda connection: proven_until(connection, MAIN)).result(10) == START


def test_the_end_waits_for_what_was_handed_in(listener: WritingListener, ledger: Connection) -> None:
    listener.writer.record([heard(n) for n in range(1, 51)])
    assert listener.writer.stop(5.0) == 0
    assert bot_head(ledger, ONE) == 50
