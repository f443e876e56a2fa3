"""Answers into a chat: pages with buttons, pictures, and lines that are replaced while a command is at work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any

import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, Message
from telegram.constants import ParseMode
from telegram.error import BadRequest

from telegram_manager.door.callback import Acknowledge, Buttons, Confirm, Say, Turn
from telegram_manager.door.shelf import Book, Shelf
from telegram_manager.rendering.answer import Answer, Button
from telegram_manager.rendering.telegram import caption, html, pages, pictures

log = structlog.get_logger(__name__)

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_TAG = re.compile(r"<[^>]*>")


class Speaker:
    """Sends through one bot. Every method raises TelegramError when Telegram does not take it."""

    def __init__(self, bot: Bot, buttons: Buttons, shelf: Shelf) -> None:
        self._bot, self._buttons, self._shelf = bot, buttons, shelf

    async def answer(self, chat: int | str, answer: Answer, *, reply_to: int | None = None) -> int | None:
        """Its pictures, then its text; further pages come with the buttons below. Returns the last message's id."""
        sent: Message | None = None
        for picture in pictures(answer):
            sent = await self._bot.send_photo(
                chat,
                picture.png,
                caption=caption(picture) or None,
                parse_mode=ParseMode.HTML,
                filename=picture.name,
            )
        text = pages(answer)
        if len(text) > 1:
            book = self._shelf.put(chat, text, answer.buttons)
            sent = await self._send(chat, text[0], self._paged(book, 0), reply_to)
        elif text:
            sent = await self._send(chat, text[0], self._rows(answer.buttons), reply_to)
        return None if sent is None else sent.message_id

    async def say(self, chat: int | str, text: str, *, reply_to: int | None = None) -> Message:
        """One plain sentence."""
        return await self._send(chat, html(text), [], reply_to)

    async def question(self, chat: int, text: str, code: str, *, reply_to: int | None, confirm: str) -> Message:
        """A question with the two buttons of a one-time code."""
        row = [
            InlineKeyboardButton(confirm, callback_data=self._buttons.data(Confirm(code, yes=True))),
            InlineKeyboardButton("No", callback_data=self._buttons.data(Confirm(code, yes=False))),
        ]
        return await self._send(chat, html(text), [row], reply_to)

    async def notice(self, chat: str, text_html: str, acknowledge: int | None, *, is_silent: bool) -> int:
        """A finished notification, with a button when it has to be acknowledged. Returns its message's id."""
        sent = await self._send(chat, text_html, self.acknowledging(acknowledge), None, is_silent=is_silent)
        return sent.message_id

    async def replace_notice(self, chat: str, message: int, text_html: str, acknowledge: int | None) -> None:
        await self._edit(chat, message, text_html, self.acknowledging(acknowledge))

    async def replace(self, chat: int | str, message: int, text: str) -> None:
        """Another plain sentence in the place of a message, without its buttons."""
        await self._edit(chat, message, html(text), [])

    async def turn(self, book: Book, message: int, page: int) -> None:
        """Shows another page in the same message."""
        number = max(0, min(page, len(book.pages) - 1))
        await self._edit(book.chat, message, book.pages[number], self._paged(book, number))

    def acknowledging(self, notification: int | None) -> list[list[InlineKeyboardButton]]:
        if notification is None:
            return []
        return [[InlineKeyboardButton("Acknowledge", callback_data=self._buttons.data(Acknowledge(notification)))]]

    async def _send(
        self,
        chat: int | str,
        text_html: str,
        rows: Sequence[Sequence[InlineKeyboardButton]],
        reply_to: int | None,
        *,
        is_silent: bool = False,
    ) -> Message:
        options: dict[str, Any] = {
            "disable_notification": is_silent or None,
            "reply_markup": InlineKeyboardMarkup(rows) if rows else None,
            "link_preview_options": _NO_PREVIEW,
            "reply_to_message_id": reply_to,
            "allow_sending_without_reply": True if reply_to is not None else None,
        }
        try:
            return await self._bot.send_message(chat, text_html, parse_mode=ParseMode.HTML, **options)
        except BadRequest as error:
            if "parse entities" not in error.message:
                raise
            log.error("telegram_refused_markup", error=error.message, text=text_html[:200])
        return await self._bot.send_message(chat, without_markup(text_html), **options)

    async def _edit(
        self, chat: int | str, message: int, text_html: str, rows: Sequence[Sequence[InlineKeyboardButton]]
    ) -> None:
        try:
            await self._bot.edit_message_text(
                text_html,
                chat_id=chat,
                message_id=message,
                parse_mode=ParseMode.HTML,
                reply_markup=InlineKeyboardMarkup(rows) if rows else None,
                link_preview_options=_NO_PREVIEW,
            )
        except BadRequest as error:
            if "not modified" not in error.message:
                raise

    def _rows(self, rows: Sequence[Sequence[Button]]) -> list[list[InlineKeyboardButton]]:
        return [
            [InlineKeyboardButton(each.label, callback_data=self._buttons.data(Say(each.command))) for each in row]
            for row in rows
        ]

    def _paged(self, book: Book, page: int) -> list[list[InlineKeyboardButton]]:
        last = len(book.pages) - 1
        turning = []
        if page > 0:
            turning.append(self._turning("<", book, page - 1))
        turning.append(InlineKeyboardButton(f"{page + 1} of {last + 1}", callback_data=self._buttons.data("nothing")))
        if page < last:
            turning.append(self._turning(">", book, page + 1))
        return [turning, *self._rows(book.buttons)]

    def _turning(self, label: str, book: Book, page: int) -> InlineKeyboardButton:
        return InlineKeyboardButton(label, callback_data=self._buttons.data(Turn(book.name, page)))


def without_markup(text_html: str) -> str:
    """What a reader sees of a page."""
    return unescape(_TAG.sub("", text_html))
