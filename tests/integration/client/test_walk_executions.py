"""The one reader of execution pages, against pages as the exchange cuts them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest

from alpha.domain.clock import to_ms
from alpha.exchange.errors import ExchangeUnknown, UnknownMessage
from alpha.exchange.executions import MAX_WINDOW, MILLISECOND, Readers, walk_executions, walk_windows
from alpha.exchange.rest import ExchangeClient
from tests.integration.client.execution_list import START, WEEK_MS, Executions, rows
from tests.integration.client.stub_exchange import Received, Reply, StubExchange, ok
from tests.unit.exchange.wire import execution


def walked(client: ExchangeClient, since: datetime, until: datetime) -> list[str]:
    return [fill.exec_id for window in walk_executions(client, since, until) for fill in window]


@pytest.mark.parametrize("overlap", [0, 3])
def test_ties_across_page_borders_are_each_read_once_and_in_order(
    stub: StubExchange, client: ExchangeClient, overlap: int
) -> None:
    # given 350 executions, 7 to an instant, so that every border of 100 cuts through a tie
    stub.rest["/v5/execution/list"] = Executions(rows(350, per_instant=7), overlap=overlap)
    assert walked(client, START, START + timedelta(days=1)) == [f"e{n:05}" for n in range(350)]


def test_more_than_a_page_within_one_millisecond(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/execution/list"] = Executions(rows(250, per_instant=250))
    assert walked(client, START, START) == [f"e{n:05}" for n in range(250)]


def test_a_long_past_is_read_in_contiguous_windows(stub: StubExchange, client: ExchangeClient) -> None:
    # given one execution an hour for 30 days
    executions = Executions(rows(720, spacing=timedelta(hours=1)))
    stub.rest["/v5/execution/list"] = executions
    assert len(walked(client, START, START + timedelta(days=30))) == 720
    assert executions.windows[0][0] == to_ms(START)
    for (_, end), (start, _) in itertools.pairwise(executions.windows):
        assert start == end + 1
    assert all(end - start <= WEEK_MS for start, end in executions.windows)


def test_executions_on_the_very_bounds_of_a_seven_day_window(stub: StubExchange, client: ExchangeClient) -> None:
    border = START + MAX_WINDOW
    times = [START - timedelta(milliseconds=1), START, border, border + timedelta(milliseconds=1)]
    marks = [execution(execId=f"e{n}", execTime=str(to_ms(time))) for n, time in enumerate(times)]
    executions = Executions(marks)
    stub.rest["/v5/execution/list"] = executions
    assert walked(client, START, border) == ["e1", "e2"]
    assert len(executions.windows) == 1
    assert walked(client, START, border + timedelta(milliseconds=1)) == ["e1", "e2", "e3"]


def test_what_a_server_brings_from_outside_of_the_window_is_dropped(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/execution/list"] = lambda _: ok({"category": "linear", "list": rows(10), "nextPageCursor": ""})
    assert walked(client, START + timedelta(seconds=2), START + timedelta(seconds=4)) == ["e00002", "e00003", "e00004"]


def test_a_page_that_fails_fails_the_window(stub: StubExchange, client: ExchangeClient) -> None:
    executions = Executions(rows(250))

    def second_page_breaks(request: Received) -> Reply:
        return Reply(status=502, body=b"") if request.query.get("cursor") else executions(request)

    stub.rest["/v5/execution/list"] = second_page_breaks
    with pytest.raises(ExchangeUnknown):
        walked(client, START, START + timedelta(days=1))


def test_a_page_that_fails_once_is_asked_again(stub: StubExchange, client: ExchangeClient) -> None:
    executions = Executions(rows(250))
    failed: list[Received] = []

    def breaks_once(request: Received) -> Reply:
        if request.query.get("cursor") and not failed:
            failed.append(request)
            return Reply(hang_up=True)
        return executions(request)

    stub.rest["/v5/execution/list"] = breaks_once
    assert len(walked(client, START, START + timedelta(days=1))) == 250


def test_a_row_that_cannot_be_read_fails_the_window_or_is_handed_over(
    stub: StubExchange, client: ExchangeClient
) -> None:
    bad = execution(execId="bad", execTime=str(to_ms(START)), execType="Lottery")
    stub.rest["/v5/execution/list"] = Executions([*rows(3), bad])
    with pytest.raises(UnknownMessage, match="Lottery"):
        walked(client, START, START + timedelta(days=1))
    kept: list[UnknownMessage] = []
    (window,) = walk_executions(client, START, START + timedelta(days=1), on_unreadable=kept.append)
    assert [fill.exec_id for fill in window] == ["e00000", "e00001", "e00002"]
    assert [error.raw for error in kept] == [bad]


@pytest.mark.parametrize("readers", [None, Readers(of_one=3)])
def test_a_dense_past_is_read_in_windows_that_fit_into_memory(
    stub: StubExchange, client: ExchangeClient, readers: Readers | None
) -> None:
    # given 3,000 executions in 50 minutes of a quiet week, and room for 400 at once
    stub.rest["/v5/execution/list"] = Executions(rows(3000))
    until = START + timedelta(days=6)
    found = list(walk_windows(client, START, until, readers=readers, most=400))
    assert [fill.exec_id for window in found for fill in window.fills] == [f"e{n:05}" for n in range(3000)]
    assert max(len(window.fills) for window in found) <= 500  # what fits, and a page
    assert (found[0].start, found[-1].end) == (START, until)
    for before, after in itertools.pairwise(found):
        assert after.start == before.end + MILLISECOND


def test_readers_are_shared_by_those_who_walk_at_once_and_taken_where_there_is_much_to_read(
    stub: StubExchange, client: ExchangeClient
) -> None:
    stub.rest["/v5/execution/list"] = Executions(rows(3000))
    until = START + timedelta(days=6)
    readers = Readers(of_one=4, all_together=6)

    def free() -> int:
        with readers.some() as first, readers.some() as second:
            return first + second

    few = walk_windows(client, START, START + timedelta(seconds=100), readers=readers, most=400)
    dense = [walk_windows(client, START, until, readers=readers, most=400) for _ in range(3)]
    next(few)
    assert free() == 6
    read, left = [], []
    for walk in dense:
        read.append(len(next(walk).fills))
        left.append(free())
    assert left == [2, 0, 0]
    # who got none walks alone, and what one had is free again when it has ended
    for number in reversed(range(3)):
        read[number] += sum(len(window.fills) for window in dense[number])
        left.append(free())
    assert read == [3000, 3000, 3000]
    assert left[3:] == [0, 2, 6]


def test_what_happened_in_one_millisecond_cannot_be_parted(stub: StubExchange, client: ExchangeClient) -> None:
    stub.rest["/v5/execution/list"] = Executions(rows(1500, per_instant=700))
    found = list(walk_windows(client, START, START + timedelta(days=1), most=400))
    assert sum(len(window.fills) for window in found) == 1500
    assert max(len(window.fills) for window in found) == 700


def test_a_window_read_ahead_that_fails_fails_the_walk_in_its_turn(stub: StubExchange, client: ExchangeClient) -> None:
    executions = Executions(rows(3000))
    broken_from = to_ms(START + timedelta(seconds=2000))

    def breaks(request: Received) -> Reply:
        is_late = broken_from <= int(request.query["startTime"]) < broken_from + 500_000
        return Reply(status=502, body=b"") if is_late else executions(request)

    stub.rest["/v5/execution/list"] = breaks
    read = []
    with pytest.raises(ExchangeUnknown):
        read.extend(walk_windows(client, START, START + timedelta(hours=1), readers=Readers(of_one=3), most=400))
    # what came before it is whole
    ids = [fill.exec_id for window in read for fill in window.fills]
    assert ids == [f"e{n:05}" for n in range(len(ids))]


@pytest.mark.parametrize("readers", [None, Readers(of_one=3)])
@pytest.mark.parametrize("at", [timedelta(0), timedelta(days=2, hours=5), timedelta(days=4) - timedelta(seconds=3)])
def test_a_burst_in_a_quiet_past_is_found_without_reading_it_many_times(
    stub: StubExchange, client: ExchangeClient, readers: Readers | None, at: timedelta
) -> None:
    # given 3,000 executions within 3 s of four days
    burst = rows(3000, spacing=timedelta(milliseconds=1))
    for row in burst:
        row["execTime"] = str(int(row["execTime"]) + to_ms(START + at) - to_ms(START))
    stub.rest["/v5/execution/list"] = Executions(burst)
    found = list(walk_windows(client, START, START + timedelta(days=4), readers=readers, most=400))
    assert [fill.exec_id for window in found for fill in window.fills] == [f"e{n:05}" for n in range(3000)]
    # 30 pages hold them all
    assert len(stub.received) < 150
