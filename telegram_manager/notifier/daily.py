"""The daily summary: queued once a day, written when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from alpha.config.modes import Mode
from alpha.config.telegram import Role, TelegramSettings
from alpha.domain.errors import AlphaError
from alpha.ledger.alerts import Severity
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.notifications import News, cursor_of, move_cursor, queue_news
from telegram_manager.actor import Actor
from telegram_manager.asking import ask
from telegram_manager.context import Context
from telegram_manager.notifier.news import recipients_of
from telegram_manager.notifier.wording import DAILY
from telegram_manager.parsing import NotUnderstood, parse
from telegram_manager.rendering.answer import Answer, Block, Text, Tone, answer_of
from telegram_manager.seeing.market_clock import market_now
from telegram_manager.seeing.results import day_result

_SOURCE = "daily"
_ACTOR = Actor("notifier", Role.VIEWER)
# The chart of a month tells more than that of a day.
_ANALYTICS = "analytics all 30"


class DailySummary:
    """What each bot made on the day that has ended, and the answer to /analytics over thirty days."""

    def __init__(self, settings: TelegramSettings, context: Context) -> None:
        self._settings, self._context = settings, replace(context, actor=_ACTOR)

    @property
    def clock(self) -> Callable[[], datetime]:
        return self._context.clock

    def queue_due(self, connection: Connection) -> bool:
        """Queues the summary of the last day that has ended, once. The first start ever begins with the next day."""
        due = last_due(self.clock(), self._settings.daily_at)
        with transaction(connection):
            told = cursor_of(connection, _SOURCE)
            if told is not None and told >= due.isoformat():
                return False
            move_cursor(connection, _SOURCE, due.isoformat())
            if told is None:
                return False
            day = self._market_day(due)
            news = News(
                kind=DAILY,
                severity=Severity.INFO,
                text=f"summary of {day}",
                at=self.clock(),
                detail={"day": day.isoformat()},
            )
            queue_news(connection, [news], recipients_of(news, self._settings))
        return True

    def answer(self, detail: Mapping[str, Any]) -> Answer:
        """What is sent. A part that cannot be had is named and left out."""
        day = date.fromisoformat(detail["day"])
        blocks: list[Block] = []
        for what, part in (
            (f"the result of {day}", partial(day_result, self._context, day)),
            (f"/{_ANALYTICS}", self._month),
        ):
            try:
                blocks += part().blocks
            except (AlphaError, NotUnderstood) as error:
                blocks.append(Text(f"{what}: {error}", Tone.NOTE))
        return answer_of(blocks)

    def _month(self) -> Answer:
        return ask(self._context, parse(_ANALYTICS, self._context.registry, self._context.commands))

    def _market_day(self, due: date) -> date:
        """The market's last whole day. On a paper exchange it may be years away from the world's."""
        if self._context.settings.alpha_mode is not Mode.PAPER:
            return due
        return market_now(self._context).date() - timedelta(days=1)


def last_due(now: datetime, daily_at: time) -> date:
    """The day whose summary was due last: that before today, once today's time for it has come."""
    today_at = datetime.combine(now.date(), daily_at, tzinfo=UTC)
    return now.date() - timedelta(days=1 if now >= today_at else 2)
