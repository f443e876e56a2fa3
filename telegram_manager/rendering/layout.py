"""Tables, facts and lines within a width, as text in a font of equal letters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from telegram_manager.rendering.answer import Align, Column, Facts, Table

_GAPS = (2, 1)
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Laid:
    """`header` stands above the rows, on each page again; lines of one row stay together."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def clean(text: str) -> str:
    """The text without what cannot be shown: control characters and halves of characters become a question mark."""
    return "".join(
        letter if letter == "\n" or (letter.isprintable() and not "\ud800" <= letter <= "\udfff") else _shown(letter)
        for letter in text
    )


def one_line(text: str) -> str:
    """The text without what cannot be shown, its spaces and line ends as single spaces."""
    return " ".join(clean(text).split())


def lay_table(table: Table, width: int) -> Laid:
    """A line for each row where all columns fit beside each other, or all but the spare ones; else a few lines for each
    row."""
    rows = [tuple(map(one_line, row)) for row in table.rows]
    columns_told = [replace(column, title=one_line(column.title)) for column in table.columns]
    everything = range(len(table.columns))
    needed = [at for at in everything if not table.columns[at].spare]
    for kept in (everything, needed):
        columns = [columns_told[at] for at in kept]
        cells = [tuple(row[at] for at in kept) for row in rows]
        titles = tuple(column.title for column in columns)
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        for gap in _GAPS:
            if sum(widths) + gap * (len(widths) - 1) <= width:
                header = () if not any(titles) else (_line(titles, columns, widths, gap),)
                return Laid(header, tuple((_line(row, columns, widths, gap),) for row in cells))
    return Laid((), tuple(_as_lines(row, columns_told, width) for row in rows))


def lay_facts(facts: Facts, width: int) -> tuple[tuple[str, ...], ...]:
    """Label and value; a value that is too long goes on below, indented."""
    longest = max((len(one_line(label)) for label, _ in facts.rows), default=0)
    beside = min(longest, width // 2)
    found = []
    for label, value in facts.rows:
        name = one_line(label)
        start = f"{name:<{beside}}{_INDENT}"
        if len(name) > beside:
            found.append((name, *_wrapped(value, width, _INDENT * 2)))
        else:
            lines = _wrapped(value, width, " " * len(start)) or (start,)
            found.append((start + lines[0].lstrip(), *lines[1:]))
    return tuple(tuple(line.rstrip() for line in lines) for lines in found)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], gap: int) -> str:
    padded = (
        f"{cell:>{width}}" if column.align is Align.RIGHT else f"{cell:<{width}}"
        for cell, column, width in zip(cells, columns, widths, strict=True)
    )
    return (" " * gap).join(padded).rstrip()


def _as_lines(row: Sequence[str], columns: Sequence[Column], width: int) -> tuple[str, ...]:
    """The first cell on a line of its own with what needs no label beside it, the others below, as many as fit."""
    told = [
        (cell if column.unlabelled or not column.title else f"{column.title} {cell}", column.begins)
        for cell, column in zip(row[1:], columns[1:], strict=True)
        if cell
    ]
    lines, current = [], row[0]
    for part, begins in told:
        joined = f"{current}{_INDENT}{part}"
        if len(joined) <= width and not begins:
            current = joined
            continue
        lines.append(current)
        current = _INDENT + part
    return tuple(fitting for line in [*lines, current] for fitting in _fitting(line, width))


def _fitting(line: str, width: int) -> tuple[str, ...]:
    indent = line[: len(line) - len(line.lstrip())]
    return (line,) if len(line) <= width else _wrapped(line.lstrip(), width, indent or _INDENT, first=indent)


def _wrapped(text: str, width: int, indent: str, *, first: str | None = None) -> tuple[str, ...]:
    start = indent if first is None else first
    return tuple(textwrap.wrap(clean(text), width, initial_indent=start, subsequent_indent=indent))


def _shown(letter: str) -> str:
    return " " if letter.isspace() else "?"
