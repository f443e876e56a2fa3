"""Follows what happens, queues it, and has it delivered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress

import structlog
from telegram.error import TelegramError

from alpha.config.registry import Registry
from alpha.config.telegram import TelegramSettings
from alpha.ledger.alerts import Alert, Severity
from alpha.ledger.connection import Connection, Dsn, LedgerError
from alpha.ledger.handled_updates import forget_old_updates
from alpha.ledger.notifications import (
    News,
    Recipient,
    acknowledge,
    acknowledged_by,
    forget_old_notifications,
    hold_queue,
    queue_news,
)
from alpha.live.connection import RedisAddress
from telegram_manager.door.speaking import Speaker
from telegram_manager.ledger_thread import LedgerThread
from telegram_manager.notifier.bus_follower import BusFollower
from telegram_manager.notifier.collecting import Collector
from telegram_manager.notifier.daily import DailySummary
from telegram_manager.notifier.delivering import Delivery, Pace
from telegram_manager.notifier.news import COMMAND_CENTRE, alert_news, all_recipients, recipients_of
from telegram_manager.notifier.wording import KEPT_ANSWER, PAGE, in_words_of_news
from telegram_manager.rendering.answer import Answer
from telegram_manager.rendering.telegram import pages

log = structlog.get_logger(__name__)

_TIDY_EVERY_S = 3600.0
_REMEMBERED = 1000
_TOLD_WITHOUT_LEDGER = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)


class Notifier:
    """One for the process. `speakers`: sender (`c2`, or a bot with a token of its own) -> its voice."""

    def __init__(
        self,
        settings: TelegramSettings,
        registry: Registry,
        dsn: Dsn,
        redis: RedisAddress,
        speakers: Mapping[str, Speaker],
        daily: DailySummary,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._settings, self._speakers, self._daily = settings, speakers, daily
        self._pace = pace or Pace()
        # One connection reads and queues, another one serves the deliveries: a large backlog holds up neither.
        self._reading = LedgerThread(dsn, "telegram-manager-collector")
        self._writing = LedgerThread(dsn, "telegram-manager-deliveries")
        self._collector = Collector(settings, registry, self._was_told)
        self._deliveries = [
            Delivery(recipient, speakers[recipient.sender], self._writing, daily.answer, self._pace)
            for recipient in all_recipients(settings) + _talked_to(settings)
        ]
        self._bus = BusFollower(redis, on_alert=self._on_bus_alert, on_fills=self._on_bus_fills)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._from_bus: deque[Alert] = deque(maxlen=_REMEMBERED)
        self._told: OrderedDict[tuple[str, str, str, str], set[Recipient]] = OrderedDict()
        self.trouble = ""
        """Why nothing is read at the moment; "" for well."""

    @property
    def troubles(self) -> dict[str, str]:
        """Chats that cannot be reached, and why."""
        return {each.recipient.chat: each.trouble for each in self._deliveries if each.trouble}

    async def run(self) -> None:
        """Until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        self._bus.start()
        tasks = [asyncio.create_task(each.run()) for each in self._deliveries]
        tasks += [asyncio.create_task(self._collect()), asyncio.create_task(self._tidy())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._close)

    async def acknowledge(self, number: int, by: str) -> str:
        """Notes that somebody has seen a critical notification (0: all). Returns what to tell them."""
        try:
            ended = await self._writing.run(
                lambda connection: acknowledge(connection, number or None, by=by), within_s=5
            )
            if ended:
                log.info("notification_acknowledged", number=number, by=by)
                return "Acknowledged." if ended == 1 else f"{ended} acknowledged."
            other = await self._writing.run(lambda connection: acknowledged_by(connection, number), within_s=5)
        except (LedgerError, TimeoutError):
            return "The ledger does not answer: acknowledge again later."
        return f"Acknowledged already by {other}." if other else "Nothing waits to be acknowledged."

    async def keep(self, chat: int, answer: Answer) -> None:
        """Queues an answer that could not be sent."""
        for page in pages(answer):
            news = News(kind=KEPT_ANSWER, severity=Severity.INFO, text="", at=self._daily.clock(), detail={PAGE: page})
            recipient = next((each.recipient for each in self._deliveries if each.recipient.chat == str(chat)), None)
            if recipient is None:
                log.error("answer_lost", chat=chat, page=page[:300])
                return
            await self._writing.run(
                lambda connection, news=news, to=recipient: queue_news(connection, [news], [to])  # type: ignore[misc]
            )

    async def _collect(self) -> None:
        while True:
            try:
                leads = await self._writing.run(hold_queue)
                self.trouble = "" if leads else "another command centre tells what happens"
                if leads and await self._reading.run(self._read_all):
                    self._wake()
                self._from_bus.clear()
            except LedgerError as error:
                if not self.trouble:
                    log.warning("notifier_without_ledger", error=str(error))
                self.trouble = str(error)
                await self._tell_without_ledger()
            except Exception:
                self.trouble = "a fault of the program, see the log"
                log.exception("collecting_failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pace.look_s)
            self._news.clear()

    def _read_all(self, connection: Connection) -> bool:
        """Whether there was anything new."""
        found = self._collector.collect(connection)
        return self._daily.queue_due(connection) or found > 0

    async def _tidy(self) -> None:
        while True:
            with suppress(LedgerError):
                await self._writing.run(forget_old_notifications)
                await self._writing.run(forget_old_updates)
            await asyncio.sleep(_TIDY_EVERY_S)

    async def _tell_without_ledger(self) -> None:
        """That PostgreSQL is down is the one alert that cannot wait for it: what the bus tells goes out at once."""
        while self._from_bus:
            alert = self._from_bus.popleft()
            if alert.severity not in _TOLD_WITHOUT_LEDGER:
                continue
            news = alert_news(alert)
            for recipient in recipients_of(news, self._settings):
                if recipient in self._told.get(_identity(alert), ()):
                    continue
                try:
                    await self._speakers[recipient.sender].notice(
                        recipient.chat, in_words_of_news(news), None, is_silent=False
                    )
                except TelegramError as error:
                    # Whoever was not reached finds it in the queue.
                    log.warning("not_told_without_ledger", chat=recipient.chat, error=str(error))
                else:
                    self._remember(alert, recipient)

    def _remember(self, alert: Alert, recipient: Recipient) -> None:
        self._told.setdefault(_identity(alert), set()).add(recipient)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    def _was_told(self, alert: Alert, recipient: Recipient) -> bool:
        """Critical ones are queued all the same: somebody has to acknowledge them."""
        return alert.severity is not Severity.CRITICAL and recipient in self._told.get(_identity(alert), ())

    def _wake(self) -> None:
        for each in self._deliveries:
            each.wake()

    def _on_bus_alert(self, alert: Alert) -> None:
        self._from_bus.append(alert)
        self._on_bus_fills()

    def _on_bus_fills(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.set)

    def _close(self) -> None:
        self._bus.stop()
        self._reading.close()
        self._writing.close()


def _talked_to(settings: TelegramSettings) -> tuple[Recipient, ...]:
    """Chats that are told nothing of themselves, but where an answer may have to be said later."""
    chats = (str(chat) for chat in (*settings.people, *settings.groups))
    return tuple({Recipient(COMMAND_CENTRE, chat) for chat in chats} - set(all_recipients(settings)))


def _identity(alert: Alert) -> tuple[str, str, str, str]:
    return (alert.service, alert.kind, alert.at.isoformat(), alert.text)
