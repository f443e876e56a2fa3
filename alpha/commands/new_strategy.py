"""`alpha new-strategy`: a folder with a strategy that works, and its test."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import example, one_line

if TYPE_CHECKING:
    from alpha.config import Registry

_MODEL = "ema_cross"
_TITLE = "EmaCross"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}")
_COPIED = ("__init__.py", "parameters.yaml", "parameters.py", "state.py", "strategy.py", f"test_{_MODEL}.py")
_README = """# {title}

What it does in one sentence, for somebody who trades with it.

## Rules

1. When it enters: every condition, in the order in which they are asked.
2. Which stops its positions have, and that they live at the exchange.
3. When it leaves.

## Parameters

`parameters.yaml` beside this file; `params` of the bot in `bots.yaml` change single ones.
"""


@click.command("new-strategy", epilog=example("alpha new-strategy my_breakout", "pytest strategies/my_breakout"))
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("strategies"),
    show_default=True,
    help="The package that gets the folder; below the current directory.",
)
@one_line
def new_strategy(name: str, into: Path) -> int:
    """Makes a folder NAME with a strategy that trades, its parameters, a README and a test that passes.

    It is a copy of the example (two averages that cross) under its own name, to be changed step by step.
    """
    package = _package_of(into)
    folder = into / name
    title = "".join(part.capitalize() for part in name.split("_"))
    model = files(f"strategies.{_MODEL}")
    texts = {each: model.joinpath(each).read_text(encoding="utf-8") for each in _COPIED}
    _check_name(name, title, folder, taken=_names_in(texts))
    written = {each.replace(_MODEL, name): _renamed(text, package, name, title) for each, text in texts.items()}
    folder.mkdir()
    for each, text in {**written, "README.md": _README.format(title=title)}.items():
        (folder / each).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / each}")
    click.echo(f"\nTest it:      pytest {folder}")
    click.echo(f"Try it:       alpha backtest {package}.{name}:{title} --candles DIR --symbols BTCUSDT")
    click.echo("Run it:       add to bots.yaml, with an account of its own or capital_usdt on a shared one\n")
    click.echo(_entry(name, title, package))
    return 0


def _package_of(into: Path) -> str:
    """The dotted name of the folder as seen from here. Raises ConfigError."""
    from alpha.config import ConfigError

    if not into.is_dir():
        raise ConfigError(
            f"{into} is no folder: run in the project's directory, or name a package's folder with --into"
        )
    try:
        parts = into.resolve().relative_to(Path.cwd().resolve()).parts
    except ValueError:
        raise ConfigError(f"--into {into} must be below the current directory, from where it is imported") from None
    if not parts or not all(part.isidentifier() for part in parts):
        raise ConfigError(f"--into {into} cannot be a Python package: each part must be letters, digits and _")
    return ".".join(parts)


def _names_in(texts: Mapping[str, str]) -> set[str]:
    """What the Python files import: a class of the same name would take its place."""
    trees = [ast.parse(text) for file, text in texts.items() if file.endswith(".py")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {each.asname or each.name for node in imports for each in node.names} - {_TITLE}


def _check_name(name: str, title: str, folder: Path, *, taken: Collection[str]) -> None:
    """`title` is the class's name, `taken` are names it must not have. Raises ConfigError."""
    from alpha.config import ConfigError

    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name == _MODEL:
        raise ConfigError(f"{name} cannot be a strategy's name: use lower-case letters, digits and _, like my_breakout")
    if keyword.iskeyword(title) or title in taken:
        raise ConfigError(f"{name} cannot be a strategy's name: its class {title} would hide what {title} is in Python")
    if folder.exists():
        raise ConfigError(f"{folder} exists already: choose another name or remove it")


def _renamed(text: str, package: str, name: str, title: str) -> str:
    text = text.replace(f"strategies.{_MODEL}", f"{package}.{name}")
    return text.replace(_MODEL, name).replace(_TITLE, title)


def _entry(name: str, title: str, package: str) -> str:
    """What bots.yaml needs, with a code and a database that nobody uses."""
    registry = _registry()
    taken = set() if registry is None else {bot.redis_db for bot in registry.bots.values()}
    codes = set() if registry is None else {bot.code for bot in registry.bots.values()}
    database = next(number for number in (*range(3, 10), *range(13, 64)) if number not in taken)
    short = re.sub(r"[^a-z0-9]", "", name)[:4].ljust(2, "x")
    code = next(each for each in (short, *(f"{short}{n}" for n in range(2, 99))) if each not in codes)
    return (
        f"  - id: {name}_001\n    code: {code}\n    account: {name}\n    strategy: {package}.{name}:{title}\n"
        f"    redis_db: {database}\n    symbols: [BTCUSDT]"
    )


def _registry() -> Registry | None:
    """bots.yaml, or None where there is none that can be read: then any code and database will do."""
    from alpha.config import ConfigError, load_registry, load_settings

    try:
        return load_registry(load_settings().alpha_bots_file)
    except ConfigError:
        return None
