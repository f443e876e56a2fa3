"""What a command is: a name, who may use it, what it takes, and the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, TypeAlias

from alpha.domain.ids import AccountName, BotId, Symbol
from telegram_manager.actor import Role
from telegram_manager.rendering.answer import Answer

if TYPE_CHECKING:
    from telegram_manager.context import Context


@unique
class Group(StrEnum):
    """How the help is ordered."""

    SEEING = "See"
    RESULTS = "Results"
    TRUST = "Trust"
    COMMANDING = "Command"
    EMERGENCY = "Emergency"
    ABOUT = "About"


@unique
class Takes(StrEnum):
    """What one argument may be."""

    BOT = "BOT"
    BOT_OR_ALL = "BOT|all"
    SCOPE = "BOT|ACCOUNT|all"
    SYMBOL = "SYMBOL"
    COUNT = "N"
    DAYS = "DAYS"
    TEXT = "TEXT"
    """The rest of the message."""


@dataclass(frozen=True, slots=True)
class Argument:
    takes: Takes
    required: bool = False
    name: str = ""
    """As the help shows it, where that is not the kind itself: `REASON`."""

    @property
    def shown(self) -> str:
        name = self.name or self.takes.value
        return name if self.required else f"[{name}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What was given, checked against the registry. What was not given is None, False or empty."""

    bot: BotId | None = None
    account: AccountName | None = None
    everything: bool = False
    """`all` was written."""
    symbol: Symbol | None = None
    count: int | None = None
    days: int | None = None
    text: str = ""


@unique
class Danger(StrEnum):
    """Whether a person is asked before it is done. The asking itself is the door's."""

    NONE = "none"
    ASK = "ask"
    ASK_TWICE = "ask_twice"


Run: TypeAlias = "Callable[[Context, Arguments], Answer]"
Question: TypeAlias = "Callable[[Context, Arguments], str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`run` may block (ledger, Redis, exchange) and raises AlphaError for what went wrong; see `asking.ask`."""

    name: str
    group: Group
    role: Role
    help: str
    run: Run
    arguments: tuple[Argument, ...] = ()
    danger: Danger = Danger.NONE
    question: Question | None = None
    """What the confirmation says, where more can be said than name and arguments."""
    examples: tuple[str, ...] = ()
    in_order: bool = False
    """Carried out after all of these that were given before it: `/pause all` after `/resume all` leaves a pause. It is
    before the next one until it ends, or until it calls `context.in_effect()`, where what is left is only waiting."""

    @property
    def usage(self) -> str:
        """`/fills [BOT] [N]`"""
        return " ".join([f"/{self.name}", *(argument.shown for argument in self.arguments)])
