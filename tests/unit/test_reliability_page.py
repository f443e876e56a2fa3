"""docs/reliability.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
_NAMED = re.compile(r"`([\w/]+\.py)((?:::\w+)+)`")


def named() -> list[tuple[str, tuple[str, ...]]]:
    """Every test of the page as (file, names from the outside in)."""
    found = _NAMED.findall(PAGE.read_text(encoding="utf-8"))
    return sorted({(file, tuple(names.strip(":").split("::"))) for file, names in found})


def defined(names: tuple[str, ...], body: list[ast.stmt]) -> bool:
    """Whether a function or class of the first name is there, and within it the others."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == names[0]:
            return len(names) == 1 or defined(names[1:], statement.body)
    return False


@pytest.mark.parametrize(("file", "names"), named())
def test_a_named_test_exists(file: str, names: tuple[str, ...]) -> None:
    assert names[-1].startswith(("test_", "Test")), "a test is named test_..., a group of them Test..."
    assert defined(names, ast.parse((TESTS / file).read_text(encoding="utf-8")).body)


def test_every_row_names_one() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    without = [row for row in rows if not _NAMED.search(row) and "what breaks" not in row]
    assert rows
    assert not without
