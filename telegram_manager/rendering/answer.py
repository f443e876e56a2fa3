"""What a command answers: a value that says nothing about how it will look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeAlias

from alpha.domain.errors import InvalidValue


@unique
class Tone(StrEnum):
    PLAIN = "plain"
    HEADING = "heading"
    NOTE = "note"
    """What explains or dates the rest."""
    WARNING = "warning"
    """What somebody should act on."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph of plain text; markup in it is shown as it stands."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Facts:
    """Label and value, one under the other."""

    rows: tuple[tuple[str, str], ...]
    title: str = ""


@unique
class Align(StrEnum):
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Column:
    """`spare`: left out where the row fits on one line without it. Where a row is told as a few lines, because it is
    too wide, `unlabelled` says that the value speaks for itself, and `begins` that it begins a line."""

    title: str
    align: Align = Align.LEFT
    unlabelled: bool = False
    begins: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are read, with units and signs. The first column names the row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InvalidValue(f"a row of {len(row)} cells in a table of {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines to be shown exactly as they are, as of a log."""

    lines: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """`name` is a file's, without a folder: `analytics-all-7.png`."""

    png: bytes
    name: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """Pressing it is the same as sending `command`, for example `/flatten canary_001`."""

    label: str
    command: str


Block: TypeAlias = Text | Facts | Table | Lines | Picture


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok` is False where something is not as it should be or was not done; it is the exit code in a terminal."""

    blocks: tuple[Block, ...]
    buttons: tuple[tuple[Button, ...], ...] = ()
    """Rows of buttons."""
    ok: bool = True


def saying(text: str, *, ok: bool = True) -> Answer:
    """An answer of one paragraph."""
    return Answer((Text(text, Tone.PLAIN if ok else Tone.WARNING),), ok=ok)


def answer_of(blocks: Iterable[Block], *, buttons: Iterable[Iterable[Button]] = (), ok: bool = True) -> Answer:
    """An answer of what there is: empty tables, facts and lines are left out, and so are rows without a button."""
    kept = tuple(block for block in blocks if _says_something(block))
    rows = tuple(tuple(row) for row in buttons)
    return Answer(kept, tuple(row for row in rows if row), ok)


def _says_something(block: Block) -> bool:
    match block:
        case Text():
            return bool(block.text)
        case Facts() | Table():
            return bool(block.rows)
        case Lines():
            return bool(block.lines)
        case Picture():
            return True
