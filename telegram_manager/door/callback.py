"""What a button carries: at most 64 bytes of text that Telegram gives back when it is pressed."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, TypeAlias

MOST_BYTES = 64
"""https://core.telegram.org/bots/api#inlinekeyboardbutton"""
_KEPT = 500


@dataclass(frozen=True, slots=True)
class Confirm:
    """A one-time code, confirmed or let go."""

    code: str
    yes: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """To page `page`, from 0, of a kept answer."""

    book: str
    page: int


@dataclass(frozen=True, slots=True)
class Say:
    """The same as sending the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A critical notification has been seen."""

    notification: int


Pressed: TypeAlias = Confirm | Turn | Say | Acknowledge | Literal["nothing"]


class Buttons:
    """Makes the data of buttons and reads it. A command too long for a button is kept here, the newest 500 of them."""

    def __init__(self) -> None:
        self._long: OrderedDict[str, str] = OrderedDict()

    def data(self, pressed: Pressed) -> str:
        match pressed:
            case Confirm(code, yes):
                return f"{'yes' if yes else 'no'}:{code}"
            case Turn(book, page):
                return f"page:{book}:{page}"
            case Acknowledge(notification):
                return f"ack:{notification}"
            case Say(text):
                data = f"say:{text}"
                return data if len(data.encode()) <= MOST_BYTES else f"kept:{self._keep(text)}"
        return "nothing"

    def read(self, data: str) -> Pressed | None:
        """None for what is not of ours, or is kept no more."""
        kind, _, rest = data.partition(":")
        match kind:
            case "yes" | "no":
                return Confirm(rest, kind == "yes")
            case "say":
                return Say(rest)
            case "kept":
                text = self._long.get(rest)
                return None if text is None else Say(text)
            case "ack":
                return Acknowledge(int(rest)) if _is_number(rest) else None
            case "page":
                book, _, page = rest.partition(":")
                return Turn(book, int(page)) if _is_number(page) else None
            case "nothing":
                return "nothing"
        return None

    def _keep(self, text: str) -> str:
        token = secrets.token_hex(8)
        self._long[token] = text
        while len(self._long) > _KEPT:
            self._long.popitem(last=False)
        return token


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
