"""`/status` and `/health`."""

from __future__ import annotations

from alpha.domain.ids import BotId
from telegram_manager.bot_control.interface import BotControlError, RunState
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer, saying
from telegram_manager.rendering.pages.status_page import bot_status_page, health_page, status_page
from telegram_manager.seeing.facts import Status
from telegram_manager.seeing.overview import take_status


def status(context: Context, arguments: Arguments) -> Answer:
    """The platform, or one bot of it."""
    found = status_of(context)
    if arguments.bot is None:
        return status_page(found)
    bot = found.bot(arguments.bot)
    if bot is None:
        return saying(f"{arguments.bot} is not part of the platform that runs here", ok=False)
    return bot_status_page(found, bot)


def health(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    return health_page(status_of(context))


def status_of(context: Context) -> Status:
    """Of the bots and processes that the context knows to run here."""
    return take_status(
        context.settings,
        context.registry,
        at=context.clock(),
        bots=_running(context),
        pids=context.processes,
    )


def _running(context: Context) -> tuple[BotId, ...] | None:
    """A platform may run some of the registry's bots only; whoever runs them knows which."""
    if context.running is not None or context.bots is None:
        return context.running
    try:
        states = context.bots.states()
    except BotControlError:
        return None
    return tuple(bot for bot, found in states.items() if found.state is not RunState.MISSING) or None
