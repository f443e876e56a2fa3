"""The one way from a parsed command to its answer, for Telegram and for the terminal."""

from __future__ import annotations

from alpha.domain.errors import AlphaError
from telegram_manager.actor import Role
from telegram_manager.command import Command
from telegram_manager.context import Context
from telegram_manager.parsing import Call
from telegram_manager.rendering.answer import Answer, saying


class NotAllowed(AlphaError):
    """The person's role does not reach so far."""


def may(role: Role, command: Command) -> bool:
    return role >= command.role


def authorise(context: Context, call: Call) -> None:
    """Raises NotAllowed."""
    if not may(context.actor.role, call.command):
        raise NotAllowed(f"/{call.command.name} needs the role {call.command.role.word}")


def ask(context: Context, call: Call) -> Answer:
    """Runs the command. What goes wrong is an answer too; only a fault of the code raises. Raises NotAllowed."""
    authorise(context, call)
    try:
        return call.command.run(context, call.arguments)
    except AlphaError as error:
        return saying(" ".join(str(error).split()), ok=False)
