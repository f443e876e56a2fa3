"""What of a batch of fills a person is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.ledger.fills import RecordResult
from alpha.ledger.repeats import Conflict
from alpha.live.wire import now
from tests.unit.domain.fills import a_fill
from tests.unit.listener.test_account_session import Alerts
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.metrics import ListenerMetrics

BOT = BotId("canary_001")


def told_of(result: RecordResult, *, times: int = 1) -> list[tuple[str, str]]:
    """Kind and text of the alerts, when the writer says so often that the batch is in the ledger."""
    alerts = Alerts()
    taking: Any = alerts
    books = Bookkeeping(taking, ListenerMetrics())
    for _ in range(times):
        books.recorded(result)
    return alerts.told


def recorded(bot: BotId | None) -> RecordedFill:
    method = AttributionMethod.NONE if bot is None else AttributionMethod.TAG
    return RecordedFill(
        fill=a_fill(Side.BUY, "1", at="100", n=1),
        attribution=Attribution(bot=bot, reason=Reason.ENTRY, method=method),
        position_idx=0,
        bot_seq=None if bot is None else 1,
        source=FillSource.STREAM,
        frame_at=now(),
        received_at=now(),
        recorded_at=now(),
    )


def test_a_large_batch_is_logged_in_lines_that_a_log_keeps_whole() -> None:
    a_whole = recorded(BOT)
    fills = [replace(a_whole, fill=replace(a_whole.fill, order_link_id=f"o{n}")) for n in range(450)]
    alerts: Any = Alerts()
    with capture_logs() as logged:
        Bookkeeping(alerts, ListenerMetrics()).told(RecordResult(recorded=fills))
    lines = [line for line in logged if line["event"] == "fills_recorded"]
    assert [line["fills"] for line in lines] == [200, 200, 50]
    assert [each for line in lines for each in line["correlation_ids"]] == [f"o{n}" for n in range(450)]


def test_a_fill_that_nobody_owns_is_told_with_what_to_do() -> None:
    ((kind, text),) = told_of(RecordResult(recorded=[recorded(None), recorded(BOT)]))
    assert kind == "fill_unattributed"
    assert "alpha assign" in text


def test_a_fill_of_a_bot_is_no_alert() -> None:
    assert told_of(RecordResult(recorded=[recorded(BOT)])) == []


def test_an_execution_that_is_told_with_other_content_is_told_once() -> None:
    fill = a_fill(Side.BUY, "1", at="100", n=1)
    conflict = Conflict(
        account=fill.account,
        symbol=fill.symbol,
        exec_id=fill.exec_id,
        bot=BOT,
        differences={"price": ("100", "101")},
    )
    ((kind, text),) = told_of(RecordResult(conflicts=[conflict]), times=2)
    assert kind == "fill_conflict"
    assert fill.exec_id in text


def test_that_the_short_way_is_refused_is_logged_once_and_not_for_a_fill_told_again() -> None:
    again = RecordResult(duplicates=1, refused_at_once="1 of 1 executions are recorded already")
    refused = RecordResult(recorded=[recorded(BOT)], refused_at_once="permission denied")
    with capture_logs() as logged:
        told_of(again)
        told_of(refused, times=2)
    assert [(line["event"], line["reason"]) for line in logged] == [("recorded_the_long_way", "permission denied")]


def test_what_a_person_should_know_does_not_wait_until_the_bots_were_told() -> None:
    alerts: Any = Alerts()
    books = Bookkeeping(alerts, ListenerMetrics())
    result = RecordResult(recorded=[recorded(None)])
    books.recorded(result)
    assert [kind for kind, _ in alerts.told] == ["fill_unattributed"]
    # and is not said again when they were
    books.told(result)
    assert len(alerts.told) == 1


def test_more_than_ten_fills_that_wait_are_warned_of_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("websocket_listener.bookkeeping.time.monotonic", lambda: clock[0])
    alerts: Any = Alerts()
    books = Bookkeeping(alerts, ListenerMetrics())
    with capture_logs() as logged:
        books.backlog(10, dropped=0)
        books.backlog(11, dropped=2)
        books.backlog(12, dropped=2)
        clock[0] += 10.0
        books.backlog(13, dropped=3)
    warned = [(line["event"], line["log_level"], line["fills"], line["dropped"]) for line in logged]
    assert warned == [("backlog", "warning", 11, 2), ("backlog", "warning", 13, 3)]
