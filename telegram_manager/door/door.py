"""From an update of Telegram's to what is done about it. Thin: everything a command does is the command's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from telegram import CallbackQuery, Chat, Message, Update, User
from telegram.constants import ChatType
from telegram.error import TelegramError

from alpha.config.telegram import Role, TelegramSettings
from telegram_manager.actor import Actor
from telegram_manager.asking import NotAllowed, authorise
from telegram_manager.command import Danger
from telegram_manager.context import Context
from telegram_manager.door.audit_trail import AuditTrail, Commanded, carry_out, is_commanding
from telegram_manager.door.callback import Acknowledge, Buttons, Confirm, Say, Turn
from telegram_manager.door.confirmation import LIFETIME, Confirmations, Pending, Refusal
from telegram_manager.door.first_time import FirstTime
from telegram_manager.door.in_order import InOrder, Place
from telegram_manager.door.progress import Progress
from telegram_manager.door.shelf import Shelf
from telegram_manager.door.speaking import Speaker
from telegram_manager.door.strangers import ATTEMPTS, WITHIN, Strangers
from telegram_manager.metrics import TelegramMetrics
from telegram_manager.parsing import Call, NotUnderstood, parse
from telegram_manager.rendering.answer import Answer, saying

log = structlog.get_logger(__name__)

OLD_AFTER = timedelta(seconds=60)
"""What changes something and is under way longer than this, as while the link was down, is not executed."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SILENT_WAIT_S, _LONGEST_WAIT_S = 1.0, 90.0
_QUESTION_WITHIN_S = 1.5
_BINDING_LOOKS, _BINDING_PAUSE_S = 100, 0.02
_REPLY_ATTEMPTS = 4
_REPLY_PAUSE_S = 1.0


class Alerting(Protocol):
    """What the door needs of the service's alerts."""

    def alert(self, kind: str, text: str, *, severity: Any = ..., **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is let in, and where they speak. `message` is what an answer replies to."""

    user: int
    role: Role
    chat: int
    message: int | None

    @property
    def actor(self) -> Actor:
        return Actor(f"telegram:{self.user}", self.role)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorHooks:
    """What the door asks of others. `acknowledge` notes that a critical notification was seen and returns what to say;
    `keep` takes an answer that Telegram did not take, for later."""

    acknowledge: Callable[[int, str], Awaitable[str]]
    keep: Callable[[int, Answer], Awaitable[None]]


class Door:
    """One for the whole process. Its methods run in the event loop; commands run in threads, dangerous ones in threads
    of their own, so that no chart is ever before a kill."""

    def __init__(
        self,
        settings: TelegramSettings,
        context: Context,
        speaker: Speaker,
        *,
        buttons: Buttons,
        shelf: Shelf,
        first_time: FirstTime,
        trail: AuditTrail,
        alerts: Alerting,
        metrics: TelegramMetrics,
        hooks: DoorHooks,
    ) -> None:
        self._settings, self._context, self._speaker = settings, context, speaker
        self._buttons, self._shelf, self._first_time = buttons, shelf, first_time
        self._trail, self._alerts, self._metrics, self._hooks = trail, alerts, metrics, hooks
        self._confirmations = Confirmations(context.clock)
        self._strangers = Strangers(context.clock)
        self._line = InOrder()
        self._looking = ThreadPoolExecutor(max_workers=6, thread_name_prefix="looking")
        self._acting = ThreadPoolExecutor(max_workers=16, thread_name_prefix="acting")
        # Telegram's dates are whole seconds.
        self._started_at = datetime.now(UTC).replace(microsecond=0)

    def close(self) -> None:
        """Lets commands that are running finish."""
        self._looking.shutdown(wait=False, cancel_futures=True)
        self._acting.shutdown(wait=True, cancel_futures=False)

    async def on_update(self, update: Update, context: object = None) -> None:  # noqa: ARG002
        """Any update; never raises for what Telegram or a command does."""
        # Before anything is waited for, so that updates stand in line as Telegram gave them.
        with self._place_of(update) as place:
            try:
                if update.callback_query is not None:
                    self._metrics.updates.labels("button").inc()
                    await self._on_button(update.callback_query, update.update_id, place)
                elif update.message is not None:
                    self._metrics.updates.labels("message").inc()
                    await self._on_message(update.message, update.update_id, place)
            except TelegramError as error:
                log.warning("telegram_not_answered", update=update.update_id, error=str(error))

    async def refuse_old(self, update: Update) -> None:
        """An update from before the start: it is not executed, and whoever may command is told so."""
        query, message = update.callback_query, update.message
        spoken = query.data if query is not None else message.text if message is not None else None
        user = query.from_user if query is not None else message.from_user if message is not None else None
        chat = query.message.chat if query is not None and query.message is not None else None
        chat = message.chat if message is not None else chat
        log.info("update_of_before_the_start", update=update.update_id, user=user.id if user else None, spoken=spoken)
        if user is None or chat is None or not spoken or not self._is_let_in(user, chat):
            return
        what = "A button was pressed" if query is not None else f"{spoken[:200]} was sent"
        with contextlib.suppress(TelegramError):
            await self._speaker.say(
                chat.id, f"{what} before I started, so it was not executed. Say it again if it is still meant."
            )

    def _place_of(self, update: Update) -> contextlib.AbstractContextManager[Place | None]:
        """In the line of those commands that are carried out in order; None for every other update."""
        text = update.message.text if update.message is not None else None
        if update.callback_query is not None:
            pressed = self._buttons.read(update.callback_query.data or "")
            text = pressed.text if isinstance(pressed, Say) else None
        with contextlib.suppress(NotUnderstood):
            if text and parse(text, self._context.registry, self._context.commands).command.in_order:
                return self._line.take(text.strip())
        return contextlib.nullcontext()

    async def _on_message(self, message: Message, update_id: int, place: Place | None) -> None:
        visitor = self._let_in(message.from_user, message.chat, message.message_id)
        if visitor is None or not message.text:
            return
        if message.forward_origin is not None:
            # Whoever passes something on does not command it.
            log.info("forwarded_message_ignored", update=update_id, actor=visitor.actor.name)
            return
        if message.date < self._started_at:
            _leave(place)
            await self.refuse_old(Update(update_id, message=message))
            return
        if not await self._first_time.claim(f"message:{message.chat.id}:{message.message_id}", update_id):
            log.info("update_came_again", update=update_id)
            return
        if message.chat.type != ChatType.PRIVATE and not message.text.startswith("/"):
            return  # people talk to one another in a group
        await self._hear(visitor, message.text, place, sent_at=message.date)

    async def _on_button(self, query: CallbackQuery, update_id: int, place: Place | None) -> None:
        message = query.message
        chat = None if message is None else message.chat
        visitor = self._let_in(query.from_user, chat, None if message is None else message.message_id)
        if visitor is None or message is None:
            return
        pressed = self._buttons.read(query.data or "")
        subject = f"callback:{query.id}"
        # A confirmation opens once and in this process only, so it does not wait for the ledger.
        if isinstance(pressed, Confirm):
            is_first = self._first_time.claim_here(subject)
        else:
            is_first = await self._first_time.claim(subject, update_id)
        if not is_first:
            log.info("update_came_again", update=update_id)
            return
        match pressed:
            case Confirm():
                await self._confirm(query, visitor, pressed)
            case Turn(name, page):
                await self._turn(query, visitor, name, page)
            case Say(text):
                # Telegram gives a press no date, but knows when it is too old to be answered.
                sent_at = None if await self._acknowledge_press(query) else _LONG_AGO
                await self._hear(replace(visitor, message=None), text, place, sent_at=sent_at)
            case Acknowledge(notification):
                if visitor.role < Role.OPERATOR:
                    await self._acknowledge_press(query, f"Acknowledging needs the role {Role.OPERATOR.word}.")
                else:
                    said = await self._hooks.acknowledge(notification, visitor.actor.name)
                    await self._acknowledge_press(query, said)
            case "nothing":
                await self._acknowledge_press(query)
            case None:
                await self._acknowledge_press(query, "This button is of an older answer. Ask again.")

    async def _hear(self, visitor: Visitor, text: str, place: Place | None, *, sent_at: datetime | None) -> None:
        """A command, typed or pressed. `sent_at`: by Telegram's clock, None for just now."""
        context = self._context_of(visitor)
        try:
            call = parse(text, self._context.registry, self._context.commands)
            authorise(context, call)
        except NotUnderstood as error:
            await self._reply(visitor, saying(_sentence(error), ok=False))
            return
        except NotAllowed as error:
            log.warning("command_not_allowed", actor=visitor.actor.name, spoken=text)
            # Only for the trail; `ask` refuses.
            with contextlib.suppress(NotAllowed):
                carry_out(context, call, text, self._trail, self._where(visitor))
            _leave(place)
            await self._reply(visitor, saying(_sentence(error), ok=False))
            return
        if call.command.danger is Danger.NONE:
            if is_commanding(call.command) and sent_at is not None and self._context.clock() - sent_at > OLD_AFTER:
                _leave(place)
                await self._refuse_late(visitor, text)
            else:
                await self._carry_out(visitor, call, text, place)
            return
        # What is asked first is meant now, however old the message is.
        await self._ask_first(visitor, call, text, times=2 if call.command.danger is Danger.ASK_TWICE else 1)

    async def _refuse_late(self, visitor: Visitor, spoken: str) -> None:
        """What is meant when it is sent may be wrong by the time that it arrives."""
        sorry = (
            f"{spoken.strip()[:200]} reached me more than {OLD_AFTER.seconds} seconds after it was sent, so it was not "
            "executed. Say it again if it is still meant."
        )
        detail = {**self._where(visitor), "outcome": "refused", "result": sorry}
        self._trail.add(Commanded(actor=visitor.actor.name, spoken=spoken, detail=detail))
        await self._reply(visitor, saying(sorry, ok=False), keep=True)

    async def _ask_first(self, visitor: Visitor, call: Call, spoken: str, *, times: int) -> None:
        question = await self._question(visitor, call, spoken)
        if times == 1 and call.command.danger is Danger.ASK_TWICE:
            question = f"Once more: {question}"
        pending = self._confirmations.ask(call, spoken, user=visitor.user, chat=visitor.chat, times=times)
        sent = await self._speaker.question(
            visitor.chat,
            f"{question}\n\nThe button works for {LIFETIME.seconds} seconds, once, for you.",
            pending.code,
            reply_to=visitor.message,
            confirm=f"Yes, {call.command.name}",
        )
        self._confirmations.bind(pending, sent.message_id)

    async def _question(self, visitor: Visitor, call: Call, spoken: str) -> str:
        """What the command says it is about to do, unless finding that out takes too long."""
        general = f"{spoken.strip()}: {call.command.help}\nShall I?"
        ask = call.command.question
        if ask is None:
            return general
        context = self._context_of(visitor)
        try:
            asking = asyncio.get_running_loop().run_in_executor(self._acting, ask, context, call.arguments)
            return await asyncio.wait_for(asking, _QUESTION_WITHIN_S)
        except Exception:  # a question is never the reason why a kill cannot be given
            log.warning("question_failed", command=call.command.name, exc_info=True)
            return general

    async def _confirm(self, query: CallbackQuery, visitor: Visitor, pressed: Confirm) -> None:
        message = visitor.message
        assert message is not None
        await self._until_bound(pressed.code)
        taken = self._confirmations.take(pressed.code, user=visitor.user, chat=visitor.chat, message=message)
        if isinstance(taken, Refusal):
            log.warning("confirmation_refused", actor=visitor.actor.name, refusal=taken.name.lower())
            await self._acknowledge_press(query, taken.value)
            if taken is not Refusal.NOT_YOURS:
                with contextlib.suppress(TelegramError):
                    await self._speaker.replace(visitor.chat, message, taken.value)
            return
        # The command does not wait for what Telegram thinks of these.
        said = f"{taken.spoken.strip()}: confirmed." if pressed.yes else f"{taken.spoken.strip()}: not done."
        telling = asyncio.gather(
            self._acknowledge_press(query), self._speaker.replace(visitor.chat, message, said), return_exceptions=True
        )
        if pressed.yes:
            await self._confirmed(replace(visitor, message=None), taken)
        await telling

    async def _until_bound(self, code: str) -> None:
        """A press may be here before Telegram's answer to the question that it belongs to."""
        for _ in range(_BINDING_LOOKS):
            if not self._confirmations.is_unbound(code):
                return
            await asyncio.sleep(_BINDING_PAUSE_S)

    async def _confirmed(self, visitor: Visitor, taken: Pending) -> None:
        if taken.times_left > 1:
            await self._ask_first(visitor, taken.call, taken.spoken, times=taken.times_left - 1)
        else:
            await self._carry_out(visitor, taken.call, taken.spoken)

    async def _turn(self, query: CallbackQuery, visitor: Visitor, name: str, page: int) -> None:
        book = self._shelf.find(name, visitor.chat)
        if book is None or visitor.message is None:
            await self._acknowledge_press(query, "This answer is kept no more. Ask again.")
            return
        await self._acknowledge_press(query)
        await self._speaker.turn(book, visitor.message, page)

    async def _carry_out(self, visitor: Visitor, call: Call, spoken: str, place: Place | None = None) -> None:
        dangerous = call.command.danger is not Danger.NONE
        pool: Executor = self._acting if dangerous or is_commanding(call.command) else self._looking
        began_s = time.monotonic()
        async with Progress(self._speaker, visitor.chat) as progress:
            context = replace(self._context_of(visitor), progress=progress.tell)
            if place is not None:
                await self._until_first(place, progress)
                context = replace(context, in_effect=place.leave_from_thread)
            try:
                answer = await asyncio.get_running_loop().run_in_executor(
                    pool, carry_out, context, call, spoken, self._trail, self._where(visitor)
                )
            except NotAllowed as error:
                answer = saying(_sentence(error), ok=False)
            except Exception:
                log.exception("command_failed", spoken=spoken)
                answer = saying(f"{spoken.strip()} failed by a fault of the program: see the log.", ok=False)
            _leave(place)
        await self._reply(visitor, answer, keep=is_commanding(call.command))
        self._metrics.commands.labels(call.command.name).observe(time.monotonic() - began_s)

    async def _until_first(self, place: Place, progress: Progress) -> None:
        """Waits for the commands before it; one that hangs does not hold up a pause for ever."""
        if await place.until_first(_SILENT_WAIT_S):
            return
        progress.tell(f"{place.spoken} waits for {place.behind}, which was given before")
        if not await place.until_first(_LONGEST_WAIT_S):
            log.error("command_overtakes", spoken=place.spoken, behind=place.behind)

    async def _reply(self, visitor: Visitor, answer: Answer, *, keep: bool = False) -> None:
        """Says the answer, trying a few times. `keep`: what cannot be said now is said later."""
        for attempt in range(1, _REPLY_ATTEMPTS + 1):
            try:
                await self._speaker.answer(visitor.chat, answer, reply_to=visitor.message)
                return
            except TelegramError as error:
                log.warning("answer_not_sent", attempt=attempt, error=str(error))
                if attempt < _REPLY_ATTEMPTS:
                    await asyncio.sleep(_REPLY_PAUSE_S * attempt)
        if keep:
            await self._hooks.keep(visitor.chat, answer)

    async def _acknowledge_press(self, query: CallbackQuery, text: str | None = None) -> bool:
        """Ends the spinning of a button. False where Telegram says that the press is too old for that."""
        try:
            await query.answer(text, show_alert=text is not None)
        except TelegramError as error:
            return "too old" not in str(error)
        return True

    def _let_in(self, user: User | None, chat: Chat | None, message: int | None) -> Visitor | None:
        """Who may speak here, or None after noting that somebody tried."""
        if user is None or chat is None:
            return None
        if self._is_let_in(user, chat):
            return Visitor(user=user.id, role=self._settings.people[user.id], chat=chat.id, message=message)
        log.warning("stranger", user=user.id, chat=chat.id, chat_type=chat.type, known=user.id in self._settings.people)
        if self._strangers.knocked(user.id):
            self._alerts.alert(
                "telegram_stranger",
                f"Telegram user {user.id} tried to command {ATTEMPTS} times within {WITHIN.seconds // 60} minutes in "
                f"chat {chat.id}; nothing was answered",
                user=user.id,
                chat=chat.id,
            )
        return None

    def _is_let_in(self, user: User, chat: Chat) -> bool:
        where = chat.type == ChatType.PRIVATE or chat.id in self._settings.groups
        return where and user.id in self._settings.people

    def _context_of(self, visitor: Visitor) -> Context:
        return replace(self._context, actor=visitor.actor)

    def _where(self, visitor: Visitor) -> dict[str, object]:
        return {"door": "telegram", "chat": visitor.chat, "message": visitor.message, "role": visitor.role.word}


def _leave(place: Place | None) -> None:
    """Before something is said: nobody waits for how fast Telegram takes an answer."""
    if place is not None:
        place.leave()


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:1].upper() + text[1:]
