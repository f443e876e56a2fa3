"""From the text of a message to a command and its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from alpha.config.registry import Registry
from alpha.domain.errors import Misconfigured
from alpha.domain.ids import AccountName, BotId, Symbol
from telegram_manager.command import Argument, Arguments, Command, Takes

MOST = 10_000
"""The largest N or DAYS that is understood."""

_ALL = "all"

Name = TypeVar("Name", bound=str)


class NotUnderstood(Misconfigured):
    """The text is no command of ours; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command with the arguments it was given."""

    command: Command
    arguments: Arguments


def parse(text: str, registry: Registry, commands: Sequence[Command]) -> Call:
    """`/fills canary_001 20`, with or without the slash and with or without `@botname`. A bot or account may be written
    as any beginning that only it has. Raises NotUnderstood."""
    words = text.split()
    if not words:
        raise NotUnderstood("nothing was asked; /help shows what there is")
    name = words[0].removeprefix("/").split("@")[0].lower()
    command = next((command for command in commands if command.name == name), None)
    if command is None:
        raise NotUnderstood(f"there is no command /{name}; {_nearest(name, commands)}")
    return Call(command, _arguments(command, words[1:], registry))


def _nearest(name: str, commands: Sequence[Command]) -> str:
    near = get_close_matches(name, [command.name for command in commands], n=1)
    return f"did you mean /{near[0]}?" if near else "/help shows those there are"


def _arguments(command: Command, words: Sequence[str], registry: Registry) -> Arguments:
    """Each word goes to the first argument, from left to right, that can be it; optional ones are passed over."""
    given, waiting = Arguments(), list(command.arguments)
    for at, word in enumerate(words):
        while waiting:
            argument = waiting.pop(0)
            if argument.takes is Takes.TEXT:
                return replace(given, text=" ".join(words[at:]))
            taken = _taken(given, argument, word, registry)
            if taken is not None:
                given = taken
                break
            if argument.required:
                raise NotUnderstood(f"'{word}' is no {argument.shown}: {_wanted(argument, registry)}")
        else:
            raise NotUnderstood(f"'{word}' is not understood here: {_hint(command, registry)}")
    missing = next((argument for argument in waiting if argument.required), None)
    if missing is not None:
        raise NotUnderstood(f"{command.usage}: {missing.shown} is missing; {_wanted(missing, registry)}")
    return given


def _taken(given: Arguments, argument: Argument, word: str, registry: Registry) -> Arguments | None:
    """The arguments with this word in its place, or None when it cannot be that."""
    takes = argument.takes
    if takes in (Takes.BOT_OR_ALL, Takes.SCOPE) and word.lower() == _ALL:
        return replace(given, everything=True)
    if takes is Takes.SCOPE:
        return _scope(given, word, registry)
    if takes in (Takes.BOT, Takes.BOT_OR_ALL):
        bot = _the_one(word, registry.bots, "bots")
        return None if bot is None else replace(given, bot=BotId(bot))
    if takes is Takes.SYMBOL:
        symbol = word.upper()
        return replace(given, symbol=Symbol(symbol)) if symbol in registry.symbols else None
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= MOST):
        return None
    return replace(given, count=int(word)) if takes is Takes.COUNT else replace(given, days=int(word))


def _scope(given: Arguments, word: str, registry: Registry) -> Arguments | None:
    """Of accounts and bots, the one of this name, else the only one that begins so."""
    # By kind: a bot and an account may have the same name, and then neither is meant.
    names = [(name, "account") for name in registry.accounts] + [(name, "bot") for name in registry.bots]
    wanted = word.lower()
    found = [(name, kind) for name, kind in names if name.lower() == wanted]
    found = found or [(name, kind) for name, kind in names if name.lower().startswith(wanted)]
    if len(found) > 1:
        shown = ", ".join(f"{kind} {name}" for name, kind in found)
        raise NotUnderstood(f"'{word}' may be several things: {shown}")
    if not found:
        return None
    ((name, kind),) = found
    return replace(given, account=AccountName(name)) if kind == "account" else replace(given, bot=BotId(name))


def _the_one(word: str, names: Iterable[Name], what: str) -> Name | None:
    """The name that begins so. Raises NotUnderstood where several do."""
    known = tuple(names)
    wanted = word.lower()
    found = [name for name in known if name.lower() == wanted]
    found = found or [name for name in known if name.lower().startswith(wanted)]
    if len(found) > 1:
        raise NotUnderstood(f"'{word}' may be several {what}: {', '.join(found)}")
    return found[0] if found else None


def _wanted(argument: Argument, registry: Registry) -> str:
    match argument.takes:
        case Takes.BOT:
            return f"there are {', '.join(registry.bots)}"
        case Takes.BOT_OR_ALL:
            return f"there are {', '.join(registry.bots)}, or all"
        case Takes.SCOPE:
            return f"there are the bots {', '.join(registry.bots)}, the accounts {', '.join(registry.accounts)}, or all"
        case Takes.SYMBOL:
            return f"there are {', '.join(registry.symbols)}"
        case Takes.COUNT | Takes.DAYS:
            return f"a number from 1 to {MOST}"
        case Takes.TEXT:
            return "say why"


def _hint(command: Command, registry: Registry) -> str:
    if not command.arguments:
        return f"{command.usage} takes nothing"
    return f"{command.usage}; " + "; ".join(_wanted(argument, registry) for argument in command.arguments)
