"""Windows, cursors and ties of execution/list, over an exchange that has traded for 30 days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client, refusal_of, sell

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
BARS_OF_A_DAY = 288


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """Trades on the first and on the tenth day, funding in between, ten days after it."""
    folder = tmp_path_factory.mktemp("traded")
    with ExchangeProcess(folder, speed=3_000_000, balance_usdt="5000000") as exchange:
        http = client(exchange)
        for number in range(6):
            buy(http, "9", orderLinkId=f"first-{number}")
            exchange.admin.run(1)
        exchange.admin.run(9 * BARS_OF_A_DAY)
        for number in range(6):
            sell(http, "9", reduceOnly=True, orderLinkId=f"second-{number}")
            exchange.admin.run(1)
        exchange.admin.run(10 * BARS_OF_A_DAY)
        yield exchange


@pytest.fixture(scope="module")
def truth(traded: ExchangeProcess) -> list[dict[str, Any]]:
    return traded.executions()


def test_large_orders_make_several_executions_of_one_millisecond(truth: list[dict[str, Any]]) -> None:
    orders = {row["order_id"]: [other for other in truth if other["order_id"] == row["order_id"]] for row in truth}
    several = [rows for rows in orders.values() if len(rows) > 1]
    assert several
    for rows in several:
        assert len({(row["exec_time"], row["seq"]) for row in rows}) == 1
        leaves = [float(row["leaves"]) for row in rows]
        assert leaves == sorted(leaves, reverse=True)


def test_without_a_window_the_last_seven_days_are_given(traded: ExchangeProcess, truth: list[dict[str, Any]]) -> None:
    assert [row for row in truth if row["exec_time"] >= _now(traded) - WEEK_MS] == []
    assert _walk(traded) == []


def test_walking_windows_of_seven_days_gives_every_execution_once(
    traded: ExchangeProcess, truth: list[dict[str, Any]]
) -> None:
    start, now = truth[0]["exec_time"], _now(traded)
    found: list[str] = []
    while start <= now:
        found += _walk(traded, startTime=start, endTime=min(start + WEEK_MS - 1, now), limit=7)
        start += WEEK_MS
    assert sorted(found) == sorted(row["exec_id"] for row in truth)
    assert len(found) > 20


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_cut_ties_without_losing_any(
    traded: ExchangeProcess, truth: list[dict[str, Any]], limit: int
) -> None:
    start = truth[0]["exec_time"]
    expected = sorted(row["exec_id"] for row in truth if row["exec_time"] <= start + DAY_MS)
    assert sorted(_walk(traded, startTime=start, endTime=start + DAY_MS, limit=limit)) == expected


def test_only_a_start_reaches_a_week_forward_and_only_an_end_a_week_back(
    traded: ExchangeProcess, truth: list[dict[str, Any]]
) -> None:
    first = truth[0]["exec_time"]
    forward = {row["exec_id"] for row in truth if row["exec_time"] <= first + WEEK_MS}
    assert set(_walk(traded, startTime=first)) == forward
    last = truth[-1]["exec_time"]
    back = {row["exec_id"] for row in truth if row["exec_time"] >= last - WEEK_MS}
    assert set(_walk(traded, endTime=last)) == back


def test_the_newest_come_first(traded: ExchangeProcess, truth: list[dict[str, Any]]) -> None:
    rows = client(traded).get_executions(**LINEAR, startTime=truth[0]["exec_time"], limit=100)["result"]["list"]
    times = [int(row["execTime"]) for row in rows]
    assert times == sorted(times, reverse=True)


def test_more_than_seven_days_and_bad_cursors_are_refused(traded: ExchangeProcess) -> None:
    http = client(traded)
    assert refusal_of(http.get_executions, **LINEAR, startTime=1, endTime=2 + WEEK_MS) == 10001
    assert refusal_of(http.get_executions, **LINEAR, startTime=2, endTime=1) == 10001
    assert refusal_of(http.get_executions, **LINEAR, cursor="page2") == 10001


def test_funding_is_among_the_executions_unless_a_type_is_asked_for(
    traded: ExchangeProcess, truth: list[dict[str, Any]]
) -> None:
    window = {"startTime": truth[0]["exec_time"], "endTime": truth[0]["exec_time"] + DAY_MS}
    funding = client(traded).get_executions(**LINEAR, **window, execType="Funding")["result"]["list"]
    assert len(funding) == 3
    assert {row["execType"] for row in funding} == {"Funding"}
    assert {(row["orderType"], row["orderLinkId"], row["closedSize"]) for row in funding} == {("UNKNOWN", "", "0")}
    trades = _walk(traded, **window, execType="Trade")
    assert len(trades) + 3 == len(_walk(traded, **window))


def test_an_id_makes_the_window_void(traded: ExchangeProcess, truth: list[dict[str, Any]]) -> None:
    expected = {row["exec_id"] for row in truth if row["order_link_id"] == "first-0"}
    assert set(_walk(traded, orderLinkId="first-0", limit=1)) == expected
    order_id = next(row["order_id"] for row in truth if row["order_link_id"] == "first-0")
    assert set(_walk(traded, orderId=order_id)) == expected


def test_the_rows_say_what_the_journal_says(traded: ExchangeProcess, truth: list[dict[str, Any]]) -> None:
    rows = client(traded).get_executions(**LINEAR, orderLinkId="second-0", limit=100)["result"]["list"]
    journal = {row["exec_id"]: row for row in truth}
    assert rows
    for row in rows:
        line = journal[row["execId"]]
        assert (row["symbol"], row["side"], row["execPrice"], row["execQty"], row["execFee"], row["execTime"]) == (
            line["symbol"],
            line["side"],
            line["price"],
            line["quantity"],
            line["fee"],
            str(line["exec_time"]),
        )
        assert (row["closedSize"], row["leavesQty"], row["seq"]) == (line["closed"], line["leaves"], line["seq"])


def _now(exchange: ExchangeProcess) -> int:
    now: int = exchange.admin.state()["market_time"]
    return now


def _walk(exchange: ExchangeProcess, **query: Any) -> list[str]:
    """The ids of all pages, as they come."""
    http = client(exchange)
    found: list[str] = []
    cursor = ""
    while True:
        result = http.get_executions(**LINEAR, **query, **({"cursor": cursor} if cursor else {}))["result"]
        found += [row["execId"] for row in result["list"]]
        cursor = result["nextPageCursor"]
        if not cursor:
            return found
        assert BTC in {row["symbol"] for row in result["list"]}
