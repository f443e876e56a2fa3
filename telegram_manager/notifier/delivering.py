"""One recipient's queue into Telegram: nothing is lost, and nothing told twice unless nobody can know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
from telegram_manager.rendering.answer import Answer, Picture, saying

log = structlog.get_logger(__name__)

_MOST_EDITED = 20
_LEDGER_PAUSE_S = 1.0
_SUMMARY_WITHIN_S = 30.0


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


@dataclass(frozen=True, slots=True)
class _Errand:
    """A parcel and why it is sent. `instead_of`: the message of which nobody knows whether it arrived."""

    parcel: Parcel
    instead_of: int | None = None
    is_repetition: bool = False

    @property
    def in_doubt(self) -> bool:
        return self.instead_of is not None

    @property
    def is_critical(self) -> bool:
        return any(each.waits_for_acknowledgement for each in self.parcel.notifications)


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
        self._aside: dict[int, float] = {}
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
        for message, numbers in await self._ask(doubtful_messages, self.recipient):
            if not numbers:
                await self._ask(forget_message, message)
        for errand in await self._errands():
            await self._deliver(errand)
        for outgrown in await self._ask(outgrown_messages, self.recipient, self._pace.edit):
            await self._edit(outgrown.number, outgrown.message_id, outgrown.notifications)

    async def _errands(self) -> list[_Errand]:
        """What is to be sent: everything critical, and only then the rest. Without what was set aside."""
        found = [_Errand(parcel) for parcel in parcels(self._not_aside(await self._ask(waiting_for, self.recipient)))]
        for message, numbers in await self._ask(doubtful_messages, self.recipient):
            told = self._not_aside(await self._ask(notifications, numbers))
            if told:
                found.append(_Errand(parcel_of(told, perhaps_repeated=True), instead_of=message))
        doubted = {number for errand in found if errand.instead_of for number in errand.parcel.numbers}
        for each in self._not_aside(await self._ask(due_repetitions, self.recipient)):
            if each.number not in doubted:
                found.append(_Errand(parcel_of([each]), is_repetition=True))
        return sorted(found, key=lambda errand: not errand.is_critical)

    def _not_aside(self, waiting: Sequence[Notification]) -> list[Notification]:
        now_s = time.monotonic()
        self._aside = {number: until_s for number, until_s in self._aside.items() if until_s > now_s}
        return [each for each in waiting if each.number not in self._aside]

    async def _deliver(self, errand: _Errand) -> None:
        """What cannot be sent for a reason of its own is set aside for a while and holds up nothing else. Raises what
        would meet everything else as well: TelegramError of the way or of the chat, LedgerError."""
        try:
            await self._send(errand.parcel, is_repetition=errand.is_repetition, perhaps_repeated=errand.in_doubt)
            if errand.instead_of is not None:
                await self._ask(forget_message, errand.instead_of)
        except LedgerError:
            raise
        except TelegramError as error:
            if not isinstance(error, BadRequest) or is_unreachable(error):
                raise
            log.error("notification_set_aside", numbers=errand.parcel.numbers, error=error.message)
            self._set_aside(errand.parcel)
        except Exception:
            log.exception("notification_set_aside", numbers=errand.parcel.numbers)
            self._set_aside(errand.parcel)

    def _set_aside(self, parcel: Parcel) -> None:
        until_s = time.monotonic() + self._pace.retry_last_s
        self._aside.update(dict.fromkeys(parcel.numbers, until_s))

    async def _send(self, parcel: Parcel, *, is_repetition: bool, perhaps_repeated: bool) -> None:
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
        if number is None:
            return
        try:
            message_id = await self._speak(parcel, perhaps_repeated=perhaps_repeated)
        except TelegramError as error:
            if was_not_sent(error):
                await self._ask(message_not_sent, number)
            raise
        finally:
            self._free_at_s = time.monotonic() + self._pace.between_messages(self.recipient.chat)
        repeats = max((each.repeats for each in parcel.notifications), default=0)
        await self._until_noted(message_sent, number, message_id, parcel.told, self._pace.repeat_after(repeats))
        log.info(
            "notification_sent",
            numbers=parcel.numbers,
            kinds=sorted({each.kind for each in parcel.notifications}),
            correlation_ids=[link for each in parcel.notifications if (link := each.detail.get("order_link_id"))],
        )
        self._failures, self.trouble = 0, ""

    async def _speak(self, parcel: Parcel, *, perhaps_repeated: bool) -> int:
        chat = self.recipient.chat
        if parcel.form is Form.DAILY_SUMMARY:
            return await self._summary(parcel, with_pictures=not perhaps_repeated)
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

    async def _summary(self, parcel: Parcel, *, with_pictures: bool) -> int:
        """Its text alone where its pictures are refused, or may be what did not get through before; a word about it
        where it cannot be made or shown."""
        chat, detail = self.recipient.chat, parcel.notifications[0].detail
        sorry = saying(f"The summary of {detail.get('day', 'the last day')} could not be made; see /daily.", ok=False)
        try:
            answer = await asyncio.wait_for(asyncio.to_thread(self._summarise, detail), _SUMMARY_WITHIN_S)
        except Exception:
            log.exception("summary_failed", detail=dict(detail))
            answer = sorry
        for attempt in (answer, without_pictures(answer)) if with_pictures else (without_pictures(answer),):
            try:
                return await self._speaker.answer(chat, attempt) or 0
            except BadRequest as error:
                if is_unreachable(error):
                    raise
                log.error("summary_refused", error=error.message)
        return await self._speaker.answer(chat, sorry) or 0

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


def without_pictures(answer: Answer) -> Answer:
    """What it says in words."""
    return replace(answer, blocks=tuple(block for block in answer.blocks if not isinstance(block, Picture)))


def is_unreachable(error: TelegramError) -> bool:
    """Whether the chat, rather than the text, is what Telegram refuses."""
    return isinstance(error, Forbidden) or "chat not found" in str(error).lower()


def seconds_of(error: RetryAfter) -> float:
    """python-telegram-bot gives a number or a timedelta, as it is configured."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
