"""What the pages tell a person to type exists, and what they say the software prints is in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from alpha.cli import alpha

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "database").glob("*.md")])
COMPOSE = (ROOT / "docker-compose.production.yml").read_text()
SOURCES = ("alpha", "database", "websocket_listener", "trade_sync_service", "telegram_manager", "paper_exchange")
# The words of Docker and of PostgreSQL, which no file of ours holds.
OF_OTHERS = (
    "is missing a value",
    "dependency failed to start",
    "port is already",
    "permission denied",
    "No space left",
    "password authentication failed",
    "is ambiguous",
)


def commands(page: str) -> Iterator[str]:
    """The lines that begin with `alpha`, in code or indented, without what follows them."""
    for line in re.findall(r"(?:(?<=`)|(?<=bin/)|(?<=\n    ))alpha ([a-z][a-z0-9-]*(?: [^`\n#]*)?)", page):
        yield re.split(r"\s{2,}|;|&&|\|", line.strip())[0]


def unknown(line: str) -> str:
    """The first word of a command that there is not, "" when there are all."""
    command: click.Command = alpha
    words = line.split()
    while isinstance(command, click.Group) and words:
        if (found := command.get_command(click.Context(command), words[0])) is None:
            return words[0]
        command, words = found, words[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = (word.split("=")[0].rstrip(",.:)") for word in words if word.startswith("--"))
    return next((option for option in asked if option not in options | {"--help"}), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    assert {line: wrong for line in commands(page.read_text()) if (wrong := unknown(line))} == {}


def test_commands_are_found_and_wrong_ones_are_seen() -> None:
    page = "Run `alpha backup --list`, or\n\n    alpha restore --at TIME --upside-down   as it was\n"
    assert [unknown(line) for line in commands(page)] == ["", "--upside-down"]
    assert unknown("backups") == "backups"
    assert sum(len(list(commands(page.read_text()))) for page in PAGES) > 100


def quoted(page: str) -> Iterator[str]:
    """Messages in the first column of a page's tables, in pieces where something is left out."""
    for first in re.findall(r"^\| *(.+?) *\| .+ \|$", page, re.M):
        for twice, once in re.findall(r"``(.+?)``|`([^`]+)`", first):
            message = twice or once
            for piece in map(str.strip, message.split("...")):
                if piece.count(" ") > 2 and not any(words in piece for words in OF_OTHERS):
                    yield piece


@pytest.fixture(scope="module")
def printed() -> str:
    """All literals of our sources, with what is put into them left out."""
    found = [COMPOSE]
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(" ".join(text.split()) for text in found)


def is_printed(message: str, printed: str) -> bool:
    """Whether three of its words in a row are in our literals, and in a long one as often as once in six words: between
    them are names and numbers."""
    words = message.split()
    rows = [" ".join(words[at : at + 3]) for at in range(len(words) - 2)]
    return sum(row in printed for row in rows) >= max(1, len(words) // 6)


@pytest.mark.parametrize("page", ["docs/guides/DOCKER_STARTUP_GUIDE.md", "docs/operations/backups.md"])
def test_every_message_that_is_explained_is_one_that_is_printed(page: str, printed: str) -> None:
    messages = list(quoted((ROOT / page).read_text()))
    assert len(messages) > 5
    assert [message for message in messages if not is_printed(message, printed)] == []
    assert not is_printed("somebody sits on the database: ask him to leave", printed)


def test_every_alert_that_is_explained_is_one_that_is_given(printed: str) -> None:
    page = (ROOT / "docs/operations/backups.md").read_text()
    kinds = set(re.findall(r"alert `(\w+)`", page))
    assert {"backup_damaged", "backup_missing"} <= kinds
    assert [kind for kind in sorted(kinds) if f"\n{kind}\n" not in printed] == []


def test_every_container_of_the_runbooks_is_a_service() -> None:
    page = (ROOT / "docs/operations/runbooks.md").read_text()
    named = set(re.findall(r"compose (?:restart|exec|ps|(?:logs(?: --tail \d+)?)|(?:up -d)) ([a-z_]+)", page))
    assert "websocket_listener" in named
    assert [name for name in sorted(named) if not re.search(rf"^  {name}:(?: &\w+)?$", COMPOSE, re.M)] == []
