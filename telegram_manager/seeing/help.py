"""`/help`: what the person who asks may do."""

from __future__ import annotations

from telegram_manager.asking import may
from telegram_manager.command import Arguments, Command, Danger, Group
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer, Facts, Text, Tone, answer_of


def help_page(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    """Grouped; what the role does not reach is not shown."""
    mine = [command for command in context.commands if may(context.actor.role, command)]
    groups = [
        Facts(tuple((command.usage, _told(command)) for command in mine if command.group is group), title=group.value)
        for group in Group
    ]
    role = Text(f"Your role is {context.actor.role.word}. A bot may be written as any beginning that only it has.")
    return answer_of([*groups, Text(role.text, Tone.NOTE)])


_ASKS = {Danger.NONE: "", Danger.ASK: " Asks before it acts.", Danger.ASK_TWICE: " Asks twice before it acts."}


def _told(command: Command) -> str:
    return command.help + _ASKS[command.danger]
