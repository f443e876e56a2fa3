"""What mypyc compiles into something else than it says, without a word, is kept out of what is compiled."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PACKAGES = ("alpha", "backtest", "paper_exchange", "strategies", "trade_sync_service", "websocket_listener")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def patterns() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["alpha"]["compiled"]
    return found


def paths(of: str) -> set[Path]:
    return {path for pattern in patterns()[of] for path in REPO.glob(pattern)}


COMPILED = sorted(path.relative_to(REPO) for path in paths("modules") - paths("interpreted"))


def tree(path: Path) -> ast.Module:
    return ast.parse((REPO / path).read_text())


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Everything in a function but what is in a function or class of its own inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


@pytest.mark.parametrize("pattern", patterns()["modules"] + patterns()["interpreted"])
def test_every_pattern_finds_a_module(pattern: str) -> None:
    assert list(REPO.glob(pattern))


def test_no_compiled_class_has_keywords() -> None:
    """They are dropped: a frozen Struct would be no frozen one."""
    having = [
        f"{path}: class {node.name}"
        for path in COMPILED
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and node.keywords
    ]
    assert having == []


def test_what_is_caught_has_a_name_of_its_own() -> None:
    """A name has one type in a function: `except B as error` after `except A as error` raises TypeError for a B."""
    clashing = []
    for path in COMPILED:
        for function in (node for node in ast.walk(tree(path)) if isinstance(node, Function)):
            caught: dict[str, set[str]] = {}
            for node in own_nodes(function):
                if isinstance(node, ast.ExceptHandler) and node.name and node.type:
                    caught.setdefault(node.name, set()).add(ast.unparse(node.type))
            clashing += [f"{path}: {function.name}: {name}" for name, types in caught.items() if len(types) > 1]
    assert clashing == []


def test_no_compiled_class_hands_names_on_to_its_base() -> None:
    """`super().__init__(**given)` gives a compiled base the dict for its first argument."""
    handing = [
        f"{path}: {ast.unparse(call)}"
        for path in COMPILED
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).startswith("super().")
        and any(keyword.arg is None for keyword in call.keywords)
    ]
    assert handing == []


def test_no_interpreted_class_has_a_compiled_base() -> None:
    """Its instances would be refused where the base is asked for."""
    bases = {
        (module_name(path), node.name)
        for path in COMPILED
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and "allow_interpreted_subclasses" not in ast.unparse(node)
    }
    extending = []
    for package in PACKAGES:
        for path in sorted((REPO / package).rglob("*.py")):
            relative = path.relative_to(REPO)
            if relative in COMPILED or path.name.startswith("test_"):
                continue
            whole = tree(relative)
            imported = {
                alias.asname or alias.name: (node.module, alias.name)
                for node in ast.walk(whole)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            extending += [
                f"{relative}: class {node.name}({ast.unparse(base)})"
                for node in ast.walk(whole)
                if isinstance(node, ast.ClassDef)
                for base in node.bases
                if isinstance(base, ast.Name) and imported.get(base.id) in bases
            ]
    assert extending == []
