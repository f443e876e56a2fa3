"""The command centre: what it is made of, and how it starts and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog
from telegram import Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import ExtBot, TypeHandler

from alpha.config.errors import ConfigError
from alpha.config.registry import Registry
from alpha.config.settings import Settings, environment
from alpha.config.telegram import Role, TelegramSettings, load_telegram
from alpha.service.alerts import AlertWriter
from alpha.service.degraded import DegradedModes
from alpha.service.health import HealthServer
from alpha.service.listed_symbols import ListingWatch, listed_or_recorded
from alpha.service.shutdown import StopSignal
from telegram_manager.actor import Actor
from telegram_manager.command import Command
from telegram_manager.command_table import COMMANDS
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.keeper import Keeper
from telegram_manager.context import Context
from telegram_manager.door.audit_trail import AuditTrail
from telegram_manager.door.bot_api import (
    POLL_S,
    App,
    Listening,
    build_application,
    build_sender,
    connection_options,
)
from telegram_manager.door.callback import Buttons
from telegram_manager.door.door import Door, DoorHooks
from telegram_manager.door.first_time import FirstTime
from telegram_manager.door.secrecy import Hiding, hide_tokens
from telegram_manager.door.shelf import Shelf
from telegram_manager.door.speaking import Speaker
from telegram_manager.ledger_thread import LedgerThread
from telegram_manager.metrics import TelegramMetrics
from telegram_manager.notifier.daily import DailySummary
from telegram_manager.notifier.delivering import Pace
from telegram_manager.notifier.news import COMMAND_CENTRE
from telegram_manager.notifier.notifier import Notifier
from telegram_manager.notifier.watching import Watching

log = structlog.get_logger(__name__)

SERVICE = "telegram_manager"
UPDATES = [Update.MESSAGE, Update.CALLBACK_QUERY]
_DEAF_AFTER_S = 2 * POLL_S + 10.0
_RETRY_FIRST_S, _RETRY_LAST_S = 1.0, 30.0
_CONFLICT_TOLD_EVERY_S = 600.0


def main(settings: Settings, registry: Registry) -> None:
    """Runs the command centre until SIGTERM or SIGINT. Raises ConfigError when it must not start."""
    environ = environment()
    telegram = load_telegram(environ, registry)
    if telegram is None:
        raise ConfigError(
            "C2_TELEGRAM_BOT_TOKEN is not set: without it there is no command centre in Telegram; `alpha c2` gives the "
            "same answers in a terminal"
        )
    hide_tokens(telegram.tokens)
    stop = StopSignal().install()
    manager = Manager(settings, listed_or_recorded(settings, registry), telegram, environ)
    asyncio.run(manager.run(stop))


class Manager:
    """Event loop: Telegram's updates and the delivery of notifications. Commands, ledger and Redis run in threads."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        telegram: TelegramSettings,
        environ: Mapping[str, str],
        *,
        pace: Pace | None = None,
        commands: tuple[Command, ...] = COMMANDS,
    ) -> None:
        self._settings, self._registry, self._telegram = settings, registry, telegram
        self._environ, self._pace = environ, pace
        self._hide = Hiding(telegram.tokens)
        self._metrics = TelegramMetrics()
        self._began_s = time.monotonic()
        self._trouble = "Telegram has not answered yet"
        self._conflict_told_s = -_CONFLICT_TOLD_EVERY_S
        dsn, redis = settings.dsn(), settings.redis()
        self._alerts = AlertWriter(dsn, redis, SERVICE)
        self._desk = Desk.open(settings, registry, environ, alerts=self._alerts)
        self._keeper = Keeper(self._desk)
        self._context = Context(
            settings=settings,
            registry=registry,
            actor=Actor("telegram", Role.VIEWER),
            commands=commands,
            bots=self._desk.control,
            desk=self._desk,
        )
        self._watching = Watching(self._context, self._alerts)
        self._degraded = DegradedModes(SERVICE, self._troubles, self._alerts, redis)
        self._health = HealthServer(
            settings.telegram_port, self._status, self._metrics.registry, host=settings.health_host
        )
        self._listening: Listening | None = None
        self._notifier: Notifier | None = None

    @property
    def health_port(self) -> int:
        """Where /healthz is served."""
        return self._health.port

    async def run(self, stop: StopSignal) -> None:
        """Until told to stop, or until a symbol is listed that it does not know. Whatever is away at the start is
        waited for; what Telegram never lets in ends it.
        """
        self._keeper.start()
        # Not while a kill is being carried out, though the next process would go on with it.
        ListingWatch(self._settings, self._registry, stop, may_end=lambda: not self._desk.runs).start()
        self._watching.start()
        self._health.start()
        self._degraded.start()
        log.info(
            "telegram_manager_started",
            health_port=self._health.port,
            people={user: role.word for user, role in self._telegram.people.items()},
            groups=sorted(self._telegram.groups),
        )
        try:
            async with AsyncExitStack() as stack:
                await self._run(stop, stack)
        finally:
            log.info("telegram_manager_stopping")
            await asyncio.to_thread(self._close)
            log.info("telegram_manager_stopped")

    async def _run(self, stop: StopSignal, stack: AsyncExitStack) -> None:
        self._listening = Listening(connection_pool_size=2, **connection_options(self._telegram.api_url))
        application = build_application(self._telegram.token, self._telegram.api_url, self._listening)
        buttons, shelf = Buttons(), Shelf()
        speaker = Speaker(application.bot, buttons, shelf)
        speakers = {COMMAND_CENTRE: speaker}
        senders: list[ExtBot[Any]] = []
        for bot, own in self._telegram.own.items():
            if own.token:
                senders.append(build_sender(own.token, self._telegram.api_url))
                speakers[bot] = Speaker(senders[-1], buttons, shelf)
        daily = DailySummary(self._telegram, self._context)
        notifier = self._notifier = Notifier(
            self._telegram,
            self._registry,
            self._settings.dsn(),
            self._settings.redis(),
            speakers,
            daily,
            pace=self._pace,
        )
        ledger = LedgerThread(self._settings.dsn(), "telegram-manager-updates")
        trail = AuditTrail(self._settings.dsn())
        door = Door(
            self._telegram,
            self._context,
            speaker,
            buttons=buttons,
            shelf=shelf,
            first_time=FirstTime(ledger),
            trail=trail,
            alerts=self._alerts,
            metrics=self._metrics,
            hooks=DoorHooks(acknowledge=notifier.acknowledge, keep=notifier.keep),
        )
        application.add_handler(TypeHandler(Update, door.on_update, block=False))
        application.add_error_handler(_log_error)
        stack.push_async_callback(_close_all, door, trail, ledger)

        telling = asyncio.create_task(notifier.run())
        stack.push_async_callback(_end, telling)
        for sender in senders:
            starting = asyncio.create_task(self._until_reached(sender.initialize, stop))
            stack.push_async_callback(_shut_down, sender, starting)
        if not await self._until_reached(application.initialize, stop):
            return
        stack.push_async_callback(application.shutdown)
        if not await self._until_reached(lambda: self._refuse_old(application, door), stop):
            return
        await application.start()
        stack.push_async_callback(application.stop)
        updater = application.updater
        assert updater is not None
        await updater.start_polling(
            timeout=POLL_S, bootstrap_retries=-1, allowed_updates=UPDATES, error_callback=self._on_poll_error
        )
        stack.push_async_callback(updater.stop)
        log.info("telegram_connected", bot=application.bot.username)
        await stop.wait_async()

    async def _refuse_old(self, application: App, door: Door) -> None:
        """What was sent before the start is read, said to be too old, and not executed."""
        offset: int | None = None
        while True:
            waiting = await application.bot.get_updates(offset=offset, timeout=0, allowed_updates=UPDATES)
            if not waiting:
                return
            for update in waiting:
                await door.refuse_old(update)
            offset = waiting[-1].update_id + 1

    async def _until_reached(self, act: Any, stop: StopSignal) -> bool:
        """Tries until Telegram answers; False when told to stop first. Raises ConfigError for a refused token."""
        pause_s = _RETRY_FIRST_S
        while not stop.is_set():
            try:
                await act()
                return True
            except InvalidToken:
                raise ConfigError("Telegram refuses the token: take a new one from BotFather") from None
            except TelegramError as error:
                self._trouble = self._hide(str(error))
                log.warning("telegram_not_reached", error=self._trouble, pause_s=pause_s)
            await stop.wait_async(pause_s)
            pause_s = min(pause_s * 2, _RETRY_LAST_S)
        return False

    def _on_poll_error(self, error: TelegramError) -> None:
        """getUpdates is tried again by itself."""
        self._trouble = self._hide(str(error))
        log.warning("telegram_not_polled", error=self._trouble)
        if isinstance(error, Conflict) and time.monotonic() - self._conflict_told_s > _CONFLICT_TOLD_EVERY_S:
            self._conflict_told_s = time.monotonic()
            self._alerts.alert(
                "telegram_two_pollers",
                "another process asks Telegram for this bot's updates: two command centres run with one token, or the "
                "token is known to somebody else",
                severity="critical",
            )

    def _poll_age_s(self) -> float:
        """Since Telegram last answered getUpdates, or since the start."""
        last = None if self._listening is None else self._listening.last_success_s
        return time.monotonic() - (self._began_s if last is None else last)

    def _troubles(self) -> dict[str, str]:
        """What each part says of itself, "" where it is well."""
        notifier = self._notifier
        deaf = self._poll_age_s() > _DEAF_AFTER_S
        return {
            "telegram": f"Telegram does not answer: {self._trouble}" if deaf else "",
            "ledger": "" if notifier is None else notifier.trouble,
            "watches": self._watching.trouble,
        }

    def _status(self) -> dict[str, object]:
        age_s = self._poll_age_s()
        unreachable = {} if self._notifier is None else self._notifier.troubles
        self._metrics.poll_age.set(age_s)
        self._metrics.unreachable_chats.set(len(unreachable))
        return {
            "ok": self._listening is not None and self._listening.last_success_s is not None and age_s < _DEAF_AFTER_S,
            "service": SERVICE,
            "last_poll_s_ago": round(age_s, 1),
            "unreachable_chats": {chat: self._hide(why) for chat, why in unreachable.items()},
            "degraded": self._degraded.now(),
        }

    def _close(self) -> None:
        self._watching.stop()
        self._keeper.stop()
        self._desk.close()
        self._degraded.stop()
        self._health.stop()
        self._alerts.close()


async def _log_error(update: object, context: Any) -> None:
    """For what no handler expected; the update is not repeated."""
    log.error("update_failed", update=getattr(update, "update_id", None), exc_info=context.error)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _close_all(door: Door, trail: AuditTrail, ledger: LedgerThread) -> None:
    for close in (door.close, trail.close, ledger.close):
        await asyncio.to_thread(close)


async def _shut_down(sender: ExtBot[Any], starting: asyncio.Task[bool]) -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError, ConfigError):
        await starting
    with suppress(TelegramError, RuntimeError):
        await sender.shutdown()
