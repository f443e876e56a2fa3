"""The figures of a run as a page, as tables on a terminal, and as JSON. Pure, except for printing."""

from __future__ import annotations

import re
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


def as_page(report: Report, before: str = "") -> str:
    """Markdown, for docs/performance.md. Sections of the page as it was `before` that were not measured now are kept as
    they are: each says when and in what state of the machine it was measured."""
    kept = _sections_of(before)
    kept |= {section.title: _section(report, section) for section in report.sections}
    head = (
        "# Performance\n\n"
        'Written by `make bench ARGS="--write docs/performance.md"`; do not edit. Where the speed of the machine would '
        "decide, the target is a ratio to something measured in the same run. With `--only NAME` a section is measured "
        "anew and the others stay.\n"
    )
    return "\n".join([head, *kept.values()])


def _section(report: Report, section: Section) -> str:
    lines = [
        f"## {section.title}",
        "",
        section.how,
        "",
        _row(_HEADINGS),
        "|---|--:|--:|---|",
        *(_row(figure.cells()) for figure in section.figures),
        "",
        f"{report.at:%Y-%m-%d}{', with --quick: fewer than usual' if report.quick else ''}; "
        f"{'; '.join(report.machine.lines())}.",
    ]
    return "\n".join(lines) + "\n"


def _sections_of(page: str) -> dict[str, str]:
    """The sections of a page by their titles, in order."""
    _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    return {text.partition("\n")[0]: f"## {text.strip()}\n" for text in sections}


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
