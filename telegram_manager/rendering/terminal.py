"""Answers as plain text for a terminal or a pipe."""

from __future__ import annotations

import textwrap

from telegram_manager.rendering.answer import Answer, Block, Facts, Lines, Picture, Table, Text, Tone
from telegram_manager.rendering.layout import clean, lay_facts, lay_table, one_line


def text(answer: Answer, width: int = 100) -> str:
    """Without its pictures and buttons; blocks are set apart by an empty line."""
    return "\n\n".join(told for told in (_block(block, width) for block in answer.blocks) if told)


def _block(block: Block, width: int) -> str:
    match block:
        case Text(tone=tone):
            start = "! " if tone is Tone.WARNING else ""
            lines = [start + clean(line) for line in block.text.splitlines()]
            return "\n".join(part for line in lines for part in textwrap.wrap(line, width) or [""])
        case Facts():
            return _titled(block.title, [line for row in lay_facts(block, width) for line in row])
        case Table():
            laid = lay_table(block, width)
            return _titled(block.title, [*laid.header, *(line for row in laid.rows for line in row)])
        case Lines():
            return _titled(block.title, [one_line(line) for line in block.lines])
        case Picture():
            return ""


def _titled(title: str, lines: list[str]) -> str:
    return "\n".join([one_line(title), *lines] if title else lines)
