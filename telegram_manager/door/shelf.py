from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from telegram_manager.rendering.answer import Button

_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An answer of several pages, which stays where it was given."""

    name: str
    chat: int | str
    pages: tuple[str, ...]
    buttons: tuple[tuple[Button, ...], ...]


class Shelf:
    """The newest long answers, so that a button can turn their pages. Older ones have to be asked for again."""

    def __init__(self) -> None:
        self._books: OrderedDict[str, Book] = OrderedDict()

    def put(self, chat: int | str, pages: tuple[str, ...], buttons: tuple[tuple[Button, ...], ...]) -> Book:
        book = Book(name=secrets.token_hex(4), chat=chat, pages=pages, buttons=buttons)
        self._books[book.name] = book
        while len(self._books) > _KEPT:
            self._books.popitem(last=False)
        return book

    def find(self, name: str, chat: int | str) -> Book | None:
        """The book of this name, if it was given in this chat."""
        book = self._books.get(name)
        return book if book is not None and book.chat == chat else None
