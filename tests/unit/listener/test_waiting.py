"""What waits: for the ledger, and for the gap before it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from alpha.domain.side import Side
from alpha.ledger.fill_rows import FillSource
from alpha.live.wire import now
from tests.unit.domain.fills import a_fill
from tests.unit.listener.accounts import an_order, said
from websocket_listener.held_fills import HeldFills
from websocket_listener.known_fills import KnownFills
from websocket_listener.write_queue import Heard, Job, WriteQueue


def heard(n: int) -> Heard:
    return Heard(fill=a_fill(Side.BUY, "1", at="100", n=n), source=FillSource.STREAM, received_at=now())


def a_job() -> Job:
    result: Future[Any] = Future()
    return Job(lambda _: None, result)


def test_whatever_waits_is_one_batch_and_a_job_keeps_its_place() -> None:
    queue, job = WriteQueue(), a_job()
    queue.put_fills([heard(1)], droppable=True)
    queue.put_fills([heard(2), heard(3)], droppable=True)
    queue.put_job(job)
    queue.put_fills([heard(4)], droppable=True)
    first, second, third = (queue.take(0.0) for _ in range(3))
    assert [one.fill.seq for one in first.fills] == [1, 2, 3]
    assert (second.fills, second.job) == ([], job)
    assert [one.fill.seq for one in third.fills] == [4]


def test_above_the_bound_the_streams_fills_are_let_go_and_recoverys_are_not() -> None:
    queue = WriteQueue(max_fills=2)
    assert queue.put_fills([heard(1), heard(2)], droppable=True) is not None
    assert queue.put_fills([heard(3)], droppable=True) is None
    assert queue.put_fills([heard(3)], droppable=False) is not None
    assert (queue.dropped, queue.backlog) == (1, 3)


def test_fills_count_as_waiting_until_they_are_committed() -> None:
    queue = WriteQueue()
    submission = queue.put_fills([heard(1)], droppable=True)
    batch = queue.take(0.0)
    assert queue.backlog == 1
    queue.settle(batch)
    assert queue.backlog == 0
    assert submission is not None
    assert submission.done.is_set()


def test_of_orders_and_positions_only_the_latest_report_waits() -> None:
    queue = WriteQueue()
    queue.put_orders([(an_order(n=1), None)])
    queue.put_orders([(an_order(n=2), None)])
    queue.put_positions([said("1", seq=1), said("2", seq=2)])
    batch = queue.take(1.0)
    assert [order.updated_at for order, _ in batch.orders] == [an_order(n=2).updated_at]
    assert [position.seq for position in batch.positions] == [2]


def test_a_fill_right_after_an_orders_report_is_not_held_up_by_it() -> None:
    queue = WriteQueue()
    queue.put_orders([(an_order(), None)])
    queue.put_fills([heard(1)], droppable=True)
    first, second = queue.take(0.0), queue.take(1.0)
    assert (len(first.fills), len(first.orders)) == (1, 0)
    assert (len(second.fills), len(second.orders)) == (0, 1)


def test_reports_of_orders_come_in_portions_and_give_way_to_fills() -> None:
    queue = WriteQueue(max_batch=1)
    queue.put_orders([(an_order(f"order-{n}"), None) for n in range(700)])
    assert [len(queue.take(1.0).orders) for _ in range(2)] == [500, 200]
    queue.put_orders([(an_order(), None)])
    queue.put_fills([heard(1)], droppable=True)
    queue.put_fills([heard(2)], droppable=True)
    taken = [queue.take(1.0) for _ in range(3)]
    assert [len(batch.fills) for batch in taken] == [1, 1, 0]
    assert [len(batch.orders) for batch in taken] == [0, 0, 1]


def test_orders_are_bounded_while_the_ledger_is_away() -> None:
    queue = WriteQueue(max_states=2)
    queue.put_orders([(an_order(name), None) for name in ("a", "b", "c")])
    assert [order.order_id for order, _ in queue.take(1.0).orders] == ["b", "c"]


def test_the_end_lets_go_of_what_waits() -> None:
    queue, job = WriteQueue(), a_job()
    queue.put_fills([heard(1)], droppable=True)
    queue.put_job(job)
    assert queue.abandon() == 1
    assert job.result.cancelled()


def test_work_that_comes_after_the_end_is_let_go_too() -> None:
    queue, job = WriteQueue(), a_job()
    queue.abandon()
    queue.put_job(job)
    assert job.result.cancelled()
    assert not queue.anything_waits


def test_fills_are_held_until_released_and_in_order() -> None:
    held = HeldFills()
    assert not held.offer([heard(1)])
    held.hold(60)
    assert held.offer([heard(1)])
    assert held.offer([heard(2)])
    released: list[Heard] = []
    held.release_to(released.extend)
    assert [one.fill.seq for one in released] == [1, 2]
    assert not held.offer([heard(3)])


def test_a_fill_that_comes_while_held_ones_are_released_stays_behind_them() -> None:
    held, order = HeldFills(), []
    held.hold(60)
    held.offer([heard(1)])
    later = threading.Thread(target=lambda: order.append(("later", held.offer([heard(2)]))))

    def take(fills: list[Heard]) -> None:
        later.start()
        later.join(0.2)
        order.append(("first", len(fills) == 1))

    held.release_to(take)
    later.join()
    assert order == [("first", True), ("later", False)]


def test_fills_are_held_for_a_bounded_time_and_in_a_bounded_number() -> None:
    held = HeldFills(max_fills=1)
    held.hold(-1)
    assert held.overdue()
    assert held.offer([heard(1)])
    assert not held.offer([heard(2)])


def test_a_committed_fill_told_again_is_known_and_with_other_content_is_not() -> None:
    known = KnownFills()
    fills = [a_fill(Side.BUY, "1", at="100", n=n) for n in (1, 2)]
    known.committed(fills)
    other = a_fill(Side.BUY, "1", at="100", n=2, fee="0.1")
    assert known.lacking([fills[0], other, a_fill(Side.BUY, "1", at="100", n=3)])[0] == other
    known.forget_before(fills[1].exec_time)
    assert known.lacking(fills) == [fills[0]]


def test_known_fills_are_bounded() -> None:
    known = KnownFills(kept=1)
    fills = [a_fill(Side.BUY, "1", at="100", n=n) for n in (1, 2, 3)]
    known.committed(fills[:2])
    assert known.lacking(fills) == [fills[0], fills[2]]
    known.committed(fills[2:])
    assert known.lacking(fills) == fills[:2]


def test_of_known_fills_none_is_left_that_is_to_be_forgotten_whether_asked_for_or_not() -> None:
    fills = [a_fill(Side.BUY, "1", at="100", n=n) for n in (1, 2)]
    for asked in (False, True):
        known = KnownFills()
        known.committed(fills)
        assert not asked or known.lacking(fills) == []
        known.forget([(fills[0].symbol, fills[0].exec_id)])
        assert known.lacking(fills) == fills[:1]
        known.committed(fills[:1])
        known.forget_all()
        assert known.lacking(fills) == fills


def test_an_older_report_of_a_position_does_not_replace_the_one_that_waits() -> None:
    queue = WriteQueue()
    queue.put_positions([said("2", seq=9)])
    queue.put_positions([said("1", seq=8)])
    assert [position.seq for position in queue.take(1.0).positions] == [9]
