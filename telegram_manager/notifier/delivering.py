"""One recipient's queue into Telegram: nothing is lost, and nothing told twice unless nobody can know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import structlog
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from alpha.ledger.connection import LedgerError
from alpha.ledger.notifications import (
    Notification,
    Recipient,
    begin_message,
    doubtful_messages,
    due_repetitions,
    forget_message,
    hold_queue,
    message_edited,
    message_not_sent,
    message_sent,
    notifications,
    outgrown_messages,
    waiting_for,
)
from telegram_manager.door.bot_api import was_not_sent
from telegram_manager.door.speaking import Speaker
from telegram_manager.ledger_thread import LedgerThread
from telegram_manager.notifier.wording import Form, Parcel, parcel_of, parcels
from telegram_manager.rendering.answer import Answer

log = structlog.get_logger(__name__)

_MOST_EDITED = 20
_LEDGER_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things happen to one recipient. Telegram allows a private chat about one message a second, a group or a
    channel twenty a minute (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this)."""

    look_s: float = 1.0
    private_s: float = 1.1
    shared_s: float = 3.1
    edit: timedelta = timedelta(seconds=30)
    repeat: timedelta = timedelta(minutes=5)
    repeat_at_most: timedelta = timedelta(minutes=30)
    retry_first_s: float = 1.0
    retry_last_s: float = 60.0

    def between_messages(self, chat: str) -> float:
        return self.shared_s if chat.startswith(("-", "@")) else self.private_s

    def repeat_after(self, repeats: int) -> timedelta:
        """How long a critical notification rests after it was told `repeats` times more."""
        return min(self.repeat * (repeats + 1), self.repeat_at_most)


class Summarising(Protocol):
    """Makes the daily summary of a notification's detail; blocks."""

    def __call__(self, detail: Mapping[str, Any]) -> Answer: ...


class Delivery:
    """Runs until it is cancelled."""

    def __init__(
        self, recipient: Recipient, speaker: Speaker, ledger: LedgerThread, summarise: Summarising, pace: Pace
    ) -> None:
        self.recipient = recipient
        self._speaker, self._ledger, self._summarise, self._pace = speaker, ledger, summarise, pace
        self._news = asyncio.Event()
        self._free_at_s = 0.0
        self._failures = 0
        self.trouble = ""
        """Why nothing arrives there at the moment; "" for well."""

    def wake(self) -> None:
        """Something is in the queue, perhaps for this recipient."""
        self._news.set()

    async def run(self) -> None:
        while True:
            try:
                await self._turn()
            except LedgerError as error:
                log.warning("notifications_wait_for_ledger", error=str(error))
                await asyncio.sleep(_LEDGER_PAUSE_S)
            except TelegramError as error:
                await self._rest(error)
            except Exception:
                log.exception("delivery_failed", chat=self.recipient.chat)
                await asyncio.sleep(self._pace.retry_last_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._pace.look_s)
            self._news.clear()

    async def _turn(self) -> None:
        """Everything there is to tell now. Raises TelegramError, LedgerError."""
        if not await self._ask(hold_queue):
            return
        for number, numbers in await self._ask(doubtful_messages, self.recipient):
            told = await self._ask(notifications, numbers)
            if told:
                await self._send(parcel_of(told, perhaps_repeated=True), perhaps_repeated=True)
            await self._ask(forget_message, number)
        for each in await self._ask(due_repetitions, self.recipient):
            await self._send(parcel_of([each]), is_repetition=True)
        for parcel in parcels(await self._ask(waiting_for, self.recipient)):
            await self._send(parcel)
        for message in await self._ask(outgrown_messages, self.recipient, self._pace.edit):
            await self._edit(message.number, message.message_id, message.notifications)

    async def _send(self, parcel: Parcel, *, is_repetition: bool = False, perhaps_repeated: bool = False) -> None:
        await asyncio.sleep(max(0.0, self._free_at_s - time.monotonic()))
        number = await self._ledger.run(
            lambda connection: begin_message(
                connection,
                self.recipient,
                parcel.numbers,
                is_repetition=is_repetition,
                perhaps_repeated=perhaps_repeated,
            )
        )
        try:
            message_id = await self._speak(parcel)
        except TelegramError as error:
            if was_not_sent(error):
                await self._ask(message_not_sent, number)
            raise
        finally:
            self._free_at_s = time.monotonic() + self._pace.between_messages(self.recipient.chat)
        repeats = max((each.repeats for each in parcel.notifications), default=0)
        await self._until_noted(message_sent, number, message_id, parcel.told, self._pace.repeat_after(repeats))
        self._failures, self.trouble = 0, ""

    async def _speak(self, parcel: Parcel) -> int:
        chat = self.recipient.chat
        if parcel.form is Form.DAILY_SUMMARY:
            detail = parcel.notifications[0].detail
            answer = await asyncio.to_thread(self._summarise, detail)
            return await self._speaker.answer(chat, answer) or 0
        try:
            return await self._speaker.notice(chat, parcel.html, parcel.acknowledge, is_silent=parcel.is_silent)
        except BadRequest as error:
            if is_unreachable(error):
                raise
            # A text that Telegram does not take must not hold up everything behind it.
            log.error("notification_refused", error=error.message, text=parcel.html[:300])
            kinds = ", ".join(sorted({each.kind for each in parcel.notifications}))
            sorry = f"A notification could not be shown ({kinds}); see /alerts."
            return await self._speaker.notice(chat, sorry, parcel.acknowledge, is_silent=False)

    async def _edit(self, number: int, message_id: int, told: Sequence[Notification]) -> None:
        parcel = parcel_of(told)
        if len(told) <= _MOST_EDITED:
            try:
                await self._speaker.replace_notice(self.recipient.chat, message_id, parcel.html, parcel.acknowledge)
            except BadRequest as error:
                # Deleted by the reader, or too old: the count is told with the next message about it.
                log.info("notification_not_edited", error=error.message)
        await self._ask(message_edited, number, parcel.told)

    async def _rest(self, error: TelegramError) -> None:
        """Waits longer after each failure. Whatever was to be told is in the ledger."""
        self._failures += 1
        pause_s = min(self._pace.retry_first_s * 2 ** (self._failures - 1), self._pace.retry_last_s)
        if isinstance(error, RetryAfter):
            pause_s = max(pause_s, seconds_of(error))
        self.trouble = str(error)
        log.warning(
            "telegram_not_reached", chat=self.recipient.chat, error=str(error), failures=self._failures, pause_s=pause_s
        )
        await asyncio.sleep(pause_s)

    async def _ask(self, work: Callable[..., Any], *arguments: object) -> Any:
        return await self._ledger.run(lambda connection: work(connection, *arguments))

    async def _until_noted(self, work: Callable[..., None], *arguments: object) -> None:
        """What Telegram has must be noted, or it would be told again; so wait for the ledger as long as it takes."""
        while True:
            try:
                await self._ask(work, *arguments)
                return
            except LedgerError as error:
                log.warning("sent_not_noted_yet", error=str(error))
                await asyncio.sleep(_LEDGER_PAUSE_S)


def is_unreachable(error: TelegramError) -> bool:
    """Whether the chat, rather than the text, is what Telegram refuses."""
    return isinstance(error, Forbidden) or "chat not found" in str(error).lower()


def seconds_of(error: RetryAfter) -> float:
    """python-telegram-bot gives a number or a timedelta, as it is configured."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
