"""The daily summary: queued once a day, written when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

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

_SOURCE = "daily"
_ACTOR = Actor("notifier", Role.VIEWER)
# The chart of a month tells more than that of a day.
_PARTS = ("daily 1", "analytics all 30")


class DailySummary:
    """What happened yesterday, with the chart of the last thirty days: the answers to /daily and /analytics."""

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
            news = News(
                kind=DAILY,
                severity=Severity.INFO,
                text=f"summary of {due}",
                at=self.clock(),
                detail={"day": due.isoformat()},
            )
            queue_news(connection, [news], recipients_of(news, self._settings))
        return True

    def answer(self, detail: Mapping[str, Any]) -> Answer:
        """What is sent. A part that cannot be had is named and left out."""
        blocks: list[Block] = [Text(f"Summary of {detail.get('day', 'the last day')} (UTC)", Tone.HEADING)]
        for part in _PARTS:
            try:
                call = parse(part, self._context.registry, self._context.commands)
                blocks += ask(self._context, call).blocks
            except (AlphaError, NotUnderstood) as error:
                blocks.append(Text(f"/{part}: {error}", Tone.NOTE))
        return answer_of(blocks)


def last_due(now: datetime, daily_at: time) -> date:
    """The day whose summary was due last: that before today, once today's time for it has come."""
    today_at = datetime.combine(now.date(), daily_at, tzinfo=UTC)
    return now.date() - timedelta(days=1 if now >= today_at else 2)
