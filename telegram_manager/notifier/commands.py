"""What people say to notifications."""

from __future__ import annotations

from alpha.config.telegram import Role
from alpha.ledger.connection import transaction
from alpha.ledger.notifications import acknowledge, unacknowledged
from telegram_manager.command import Arguments, Command, Group
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer, Lines, Text, answer_of, saying


def ack(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    """Acknowledges every critical alert that still repeats."""
    with context.writing() as connection, transaction(connection):
        seen = unacknowledged(connection)
        ended = acknowledge(connection, None, by=context.actor.name)
    if not ended:
        return saying("Nothing waits to be acknowledged.")
    lines = tuple(f"{each.last_at:%H:%M:%S} {each.bot or each.account or ''} {each.text}" for each in seen)
    return answer_of([Text(f"Acknowledged {ended}; nobody is told of them again."), Lines(lines)])


COMMANDS: tuple[Command, ...] = (
    Command(
        name="ack",
        group=Group.TRUST,
        role=Role.OPERATOR,
        help="Acknowledge the critical alerts, which repeat until then.",
        run=ack,
    ),
)
