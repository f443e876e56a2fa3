"""The figures of a run as a page, as tables on a terminal, and as JSON. Pure, except for printing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Section, Verdict
from benchmarks.machine import Machine

_HEADINGS = ("what", "figure", "target", "verdict")
_STYLES = {Verdict.MET: "green", Verdict.MISSED: "red", Verdict.NONE: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the benchmark."""

    at: datetime
    machine: Machine
    quick: bool
    sections: Sequence[Section]

    @property
    def missed(self) -> int:
        return sum(len(section.missed) for section in self.sections)


def as_page(report: Report) -> str:
    """Markdown, for docs/performance.md."""
    lines = [
        "# Performance",
        "",
        'Written by `make bench ARGS="--write docs/performance.md"`; do not edit. Where the speed of the machine would '
        "decide, the target is a ratio to something measured in the same run.",
        "",
        *(f"- {line}" for line in report.machine.lines()),
        f"- measured on {report.at:%Y-%m-%d}{', with --quick: fewer fills than usual' if report.quick else ''}",
    ]
    for section in report.sections:
        lines += ["", f"## {section.title}", "", section.how, ""]
        lines += [_row(_HEADINGS), "|---|--:|--:|---|"]
        lines += [_row(figure.cells()) for figure in section.figures]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    return {
        "at": report.at.isoformat(),
        "quick": report.quick,
        "machine": report.machine.as_json(),
        "measures": {
            section.name: [
                {
                    "what": figure.what,
                    "value": figure.value,
                    "unit": figure.unit.value,
                    "target": None if figure.target is None else figure.target.bound,
                    "at_least": None if figure.target is None else figure.target.is_least,
                    "verdict": figure.verdict.value,
                }
                for figure in section.figures
            ]
            for section in report.sections
        },
    }


def show(console: Console, section: Section) -> None:
    """The section as a table on a terminal."""
    table = Table(title=section.title, title_justify="left", caption=section.how, caption_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("what", "verdict") else "right")
    for figure in section.figures:
        table.add_row(*figure.cells(), style=_STYLES[figure.verdict])
    console.print(table)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
