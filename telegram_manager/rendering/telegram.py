"""Answers as Telegram's HTML (https://core.telegram.org/bots/api#html-style), in pages that a phone shows whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from telegram_manager.rendering.answer import Answer, Block, Facts, Lines, Picture, Table, Text, Tone
from telegram_manager.rendering.layout import clean, lay_table

PHONE_WIDTH = 34
"""Letters of equal width that a phone shows in one line of a message."""
MOST_CHARACTERS = 4096
"""Of one message. Markup is counted too, which Telegram does not do, so that a page is always short enough."""
MOST_CAPTION_CHARACTERS = 1024
_MOST_LINES = 60
_LONGEST_PIECE = 500
_MOST_IN_GROUP = 3200
_TAG = re.compile("<[^>]*>")


def pages(answer: Answer) -> tuple[str, ...]:
    """The answer without its pictures, each page within the limit of a message and complete in its markup. Without
    any text there is no page."""
    book = _Book()
    for part in _parts(answer.blocks):
        book.add(part)
    return book.finished()


def pictures(answer: Answer) -> tuple[Picture, ...]:
    return tuple(block for block in answer.blocks if isinstance(block, Picture))


def caption(picture: Picture) -> str:
    """What stands under a picture, as HTML."""
    text = picture.caption[:MOST_CAPTION_CHARACTERS]
    while _utf16_length(html(text)) > MOST_CAPTION_CHARACTERS:
        text = text[: len(text) * 9 // 10]
    return html(text)


def html(text: str) -> str:
    """Plain text as HTML that shows exactly that."""
    return escape(clean(text), quote=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is told of one block, as HTML. Lines of a group stay together; `header` comes again on a new page."""

    groups: tuple[tuple[str, ...], ...]
    header: tuple[str, ...] = ()
    title: str = ""
    mono: bool = False


@dataclass(slots=True)
class _Chunk:
    """What one page holds of a part."""

    title: str
    header: tuple[str, ...]
    mono: bool
    lines: list[str] = field(default_factory=list)

    def html(self, more: Sequence[str] = ()) -> str:
        body = "\n".join([*self.header, *self.lines, *more])
        told = f"<pre>{body}</pre>" if self.mono else body
        return f"{self.title}\n{told}" if self.title else told


class _Book:
    """Fills pages group by group."""

    def __init__(self) -> None:
        self._pages: list[str] = []
        self._page = ""

    def add(self, part: _Part) -> None:
        chunk = _Chunk(part.title, part.header, part.mono)
        for group in part.groups:
            if not self._fits(chunk.html(group)):
                if chunk.lines:
                    self._put(chunk)
                    chunk = _Chunk("", part.header, part.mono)
                self._turn()
            chunk.lines += group
        if chunk.lines:
            self._put(chunk)

    def finished(self) -> tuple[str, ...]:
        self._turn()
        return tuple(self._pages)

    def _with(self, told: str) -> str:
        return f"{self._page}\n\n{told}" if self._page else told

    def _fits(self, told: str) -> bool:
        page = self._with(told)
        return _utf16_length(page) <= MOST_CHARACTERS and page.count("\n") < _MOST_LINES

    def _put(self, chunk: _Chunk) -> None:
        self._page = self._with(chunk.html())

    def _turn(self) -> None:
        # Telegram refuses a message that shows nothing.
        if _TAG.sub("", self._page).strip():
            self._pages.append(self._page)
        self._page = ""


def _parts(blocks: Iterable[Block]) -> Iterator[_Part]:
    for block in blocks:
        part = _part(block)
        if part is not None and part.groups:
            yield _Part(tuple(_small_groups(part.groups)), part.header, part.title, part.mono)


def _part(block: Block) -> _Part | None:
    match block:
        case Text(text=text, tone=tone):
            return _Part(tuple((_toned(piece, tone),) for line in text.splitlines() for piece in _pieces(line)))
        case Facts(rows=rows):
            told = [(label, piece) for label, value in rows for piece in _pieces(value) or ("",)]
            return _Part(tuple((_fact(label, value),) for label, value in told), title=_title(block.title))
        case Table():
            laid = lay_table(block, PHONE_WIDTH)
            groups = tuple(tuple(html(piece) for line in row for piece in _pieces(line)) for row in laid.rows)
            return _Part(groups, tuple(map(html, laid.header)), _title(block.title), mono=True)
        case Lines(lines=lines):
            return _Part(
                tuple((html(piece),) for line in lines for piece in _pieces(line)), title=_title(block.title), mono=True
            )
        case Picture():
            return None


def _title(title: str) -> str:
    return f"<b>{html(title[:_LONGEST_PIECE])}</b>" if title else ""


def _fact(label: str, value: str) -> str:
    name = f"<b>{html(label[:_LONGEST_PIECE])}</b>" if label else ""
    return ": ".join(part for part in (name, html(value)) if part)


def _toned(text: str, tone: Tone) -> str:
    told = html(text)
    match tone:
        case Tone.HEADING:
            return f"<b>{told}</b>"
        case Tone.NOTE:
            return f"<i>{told}</i>"
        case Tone.WARNING:
            return f"<b>!</b> {told}"
        case Tone.PLAIN:
            return told


def _pieces(line: str) -> list[str]:
    """A line that is too long for a page in pieces that are not."""
    return [line[at : at + _LONGEST_PIECE] for at in range(0, len(line), _LONGEST_PIECE)] or [""]


def _small_groups(groups: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The same, with groups that would fill a page cut into several."""
    for group in groups:
        small: list[str] = []
        for line in group:
            if small and (sum(map(len, small)) + len(line) > _MOST_IN_GROUP or len(small) >= _MOST_LINES // 2):
                yield tuple(small)
                small = []
            small.append(line)
        yield tuple(small)


def _utf16_length(text: str) -> int:
    """How Telegram counts: letters beyond the first 65,536 are two."""
    return len(text) + sum(letter > "\uffff" for letter in text)
