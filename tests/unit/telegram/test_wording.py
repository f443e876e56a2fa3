from __future__ import annotations

from alpha.ledger.alerts import Severity
from telegram_manager.notifier.wording import ALL, DAILY, KEPT_ANSWER, PAGE, Form, in_words, parcels
from tests.bot_api.markup import read_html
from tests.unit.telegram.notes import a_notification


def test_a_warning_says_what_where_and_when() -> None:
    said = in_words(a_notification(5, "a < b & c", bot="canary_001", times=3))
    assert said == (
        "<b>Warning</b> <b>canary_001</b>: a &lt; b &amp; c\n"
        "<i>kind, 2026-11-21 03:00:05 UTC; 3 times since 2026-11-21 03:00:00 UTC</i>"
    )
    assert in_words(a_notification(text="buy 1", severity=Severity.INFO, bot="b")) == "<b>b</b>: buy 1"


def test_what_is_critical_goes_first_and_alone_with_its_button() -> None:
    told = [
        a_notification(1),
        a_notification(2, severity=Severity.CRITICAL),
        a_notification(3, severity=Severity.INFO),
        a_notification(4, severity=Severity.CRITICAL),
    ]
    found = parcels(told)
    assert [(each.numbers, each.acknowledge, each.is_silent) for each in found] == [
        ((2,), 2, False),
        ((4,), 4, False),
        ((1, 3), None, False),
    ]


def test_news_without_urgency_make_no_sound() -> None:
    assert parcels([a_notification(1, severity=Severity.INFO)])[0].is_silent


def test_a_backlog_becomes_one_summary_that_stands_for_all_of_it() -> None:
    told = [a_notification(n, f"fill {n}", kind="fill", bot="canary_001", severity=Severity.INFO) for n in range(1, 31)]
    told += [a_notification(31, "stream is stale", kind="account_not_live", account="canary", severity=Severity.ERROR)]
    (summary,) = parcels(told)
    assert summary.numbers == tuple(range(1, 32))
    assert read_html(summary.html).text.splitlines() == [
        "31 notifications, 2026-11-21 03:00:00 UTC to 2026-11-21 03:00:31 UTC",
        "1 account_not_live canary; last: stream is stale",
        "30 fill canary_001; last: fill 30",
    ]


def test_many_critical_ones_are_acknowledged_together() -> None:
    told = [a_notification(n, f"position {n}", severity=Severity.CRITICAL) for n in range(1, 8)]
    (summary,) = parcels(told)
    assert summary.acknowledge == ALL


def test_a_doubt_is_said() -> None:
    assert "Perhaps told before" in parcels([a_notification()], perhaps_repeated=True)[0].html


def test_a_summary_and_a_kept_answer_go_by_themselves() -> None:
    told = [
        a_notification(1, kind=DAILY, severity=Severity.INFO),
        a_notification(2, kind=KEPT_ANSWER, severity=Severity.INFO, detail={PAGE: "<b>as it was</b>"}),
    ]
    daily, kept = parcels(told)
    assert daily.form is Form.DAILY_SUMMARY
    assert kept.html == "<b>as it was</b>"
