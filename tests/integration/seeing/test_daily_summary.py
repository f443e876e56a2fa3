"""What is told once a day is of the day that has ended, whatever was traded since."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

from alpha.config.telegram import TelegramSettings, load_telegram
from alpha.ledger.connection import connect
from alpha.ledger.notifications import Recipient, waiting_for
from telegram_manager.notifier.daily import DailySummary
from telegram_manager.rendering.answer import Table, Text
from telegram_manager.rendering.telegram import pictures
from telegram_manager.rendering.terminal import text
from tests.integration.seeing.stage import LEDGER, NOW, Stage

SOMEBODY = {"C2_TELEGRAM_BOT_TOKEN": f"123456789:{'A' * 35}", "C2_TELEGRAM_ADMIN_IDS": "1001"}


def settings(stage: Stage) -> TelegramSettings:
    loaded = load_telegram(SOMEBODY, stage.registry())
    assert loaded is not None
    return loaded


def queued_a_day_later(stage: Stage, **given: object) -> list[date]:
    """The days of which a summary is queued when a day has passed since the first look."""
    context, told = stage.context(**given), settings(stage)
    with closing(connect(stage.database.owner, "tests")) as ledger:
        assert not DailySummary(told, context).queue_due(ledger)
        later = replace(context, clock=lambda: NOW + timedelta(days=1))
        assert DailySummary(told, later).queue_due(ledger)
        assert not DailySummary(told, later).queue_due(ledger)
        return [date.fromisoformat(each.detail["day"]) for each in waiting_for(ledger, Recipient("c2", "1001"))]


def test_on_paper_it_is_of_the_markets_last_whole_day(stage: Stage) -> None:
    assert queued_a_day_later(stage) == [LEDGER.end.date() - timedelta(days=1)]


def test_elsewhere_it_is_of_the_worlds_even_when_the_feed_is_silent(stage: Stage) -> None:
    assert queued_a_day_later(stage, alpha_mode="demo") == [NOW.date()]


def test_it_tells_of_that_day_alone_and_shows_the_month(stage: Stage) -> None:
    day = LEDGER.end.date() - timedelta(days=1)
    answer = DailySummary(settings(stage), stage.context()).answer({"day": day.isoformat()})
    heading, by_bot = answer.blocks[:2]
    assert isinstance(heading, Text)
    assert heading.text.startswith(f"Summary of {day} (UTC): ")
    assert "growth_bot_" in text(answer, 200)
    assert isinstance(by_bot, Table)
    assert by_bot.title == "By bot, USDT"
    assert len(pictures(answer)) == 1


def test_a_day_on_which_nothing_happened_is_said_to_be_one(stage: Stage) -> None:
    answer = DailySummary(settings(stage), stage.context()).answer({"day": "2020-02-29"})
    assert "Summary of 2020-02-29 (UTC): no fill and no closed trade" in text(answer, 200)
