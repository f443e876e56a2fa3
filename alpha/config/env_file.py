"""The text of a `.env`: values are put where a line has none, and nothing that somebody wrote is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")


def written(text: str) -> dict[str, str]:
    """The variables of the text with their values as written, without quotes."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {match["name"]: match["value"].strip().strip("'\"") for match in found if match is not None}


def fill(text: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with the values in its empty lines, those it has no line for at its end; and the names filled in.

    A line that has a value keeps it, whatever `values` says.
    """
    filled: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is not None and not match["value"].strip() and values.get(match["name"]):
            filled.append(match["name"])
            line = f"{match['name']}={values[match['name']]}"
        lines.append(line)
    there = written(text)
    added = {name: value for name, value in values.items() if name not in there and value}
    if added:
        lines += ["", *(f"{name}={value}" for name, value in added.items())]
        filled += added
    return "\n".join(lines) + "\n", filled
