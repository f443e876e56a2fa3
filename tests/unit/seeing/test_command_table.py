from __future__ import annotations

from pathlib import Path

import pytest

from alpha.config.registry import load_registry
from alpha.config.settings import Settings
from telegram_manager.actor import Actor, Role
from telegram_manager.asking import NotAllowed, ask
from telegram_manager.command import Arguments, Command, Takes
from telegram_manager.command_table import COMMANDS
from telegram_manager.context import Context
from telegram_manager.parsing import Call, parse
from telegram_manager.rendering.telegram import pages

REGISTRY = load_registry(Path(__file__).parents[3] / "bots.yaml")
VIEWS = (
    *("status", "positions", "orders", "fills", "trades", "daily", "analytics", "balance"),
    *("proof", "drift", "alerts", "logs", "health", "version", "help"),
)


def context(role: Role) -> Context:
    return Context(settings=Settings(), registry=REGISTRY, actor=Actor("cli:test", role), commands=COMMANDS)


def the(name: str) -> Command:
    return next(command for command in COMMANDS if command.name == name)


def test_every_view_is_there_and_for_everybody() -> None:
    assert {the(name).role for name in VIEWS} == {Role.VIEWER}


def test_names_are_unique_and_as_telegram_takes_them() -> None:
    names = [command.name for command in COMMANDS]
    assert len(names) == len(set(names))
    # https://core.telegram.org/bots/api#botcommand: 1 to 32 of a-z, 0-9 and _.
    assert all(1 <= len(name) <= 32 and name.isascii() and name.replace("_", "a").isalnum() for name in names)
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_says_what_it_does_and_its_examples_are_understood(command: Command) -> None:
    assert command.help.endswith(".")
    assert len(command.help) <= 120
    for example in command.examples:
        assert parse(example, REGISTRY, COMMANDS).command is command
    # Nothing can follow what takes the rest of the message, and nothing required what may be left out.
    kinds = [argument.takes for argument in command.arguments]
    assert Takes.TEXT not in kinds[:-1]
    required = [argument.required for argument in command.arguments]
    assert required == sorted(required, reverse=True)


@pytest.mark.parametrize("role", Role)
def test_help_shows_only_what_one_may(role: Role) -> None:
    told = "\n".join(pages(ask(context(role), parse("/help", REGISTRY, COMMANDS))))
    for command in COMMANDS:
        assert (f"/{command.name}" in told) == (role >= command.role), command.name
    assert f"Your role is {role.word}." in told


def test_what_a_role_does_not_reach_is_not_run() -> None:
    with pytest.raises(NotAllowed, match="needs the role admin"):
        ask(context(Role.OPERATOR), Call(the("kill"), Arguments(everything=True)))


def test_what_cannot_be_reached_is_an_answer() -> None:
    answer = ask(context(Role.VIEWER), parse("/status", REGISTRY, COMMANDS))
    assert not answer.ok
    assert "PASSWORD is not set" in pages(answer)[0]


def test_logs_need_somebody_who_runs_the_bots() -> None:
    answer = ask(context(Role.VIEWER), parse("/logs canary_001", REGISTRY, COMMANDS))
    assert not answer.ok
