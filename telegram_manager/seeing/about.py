"""`/logs` and `/version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from alpha.ledger.connection import LedgerUnavailable
from alpha.ledger.servers import database_standing
from telegram_manager.command import Arguments
from telegram_manager.context import Context
from telegram_manager.rendering.answer import Answer, Facts, Lines, Text, Tone, answer_of, saying
from telegram_manager.rendering.log_lines import readable

LINES = 20
"""How many without a number."""


def logs(context: Context, arguments: Arguments) -> Answer:
    """The newest lines of a bot, oldest first."""
    if context.bots is None or arguments.bot is None:
        return saying("nothing here runs bots whose logs could be read", ok=False)
    lines = context.bots.logs(arguments.bot, arguments.count or LINES)
    return answer_of(
        [
            Text(f"{arguments.bot}, last {len(lines)} lines" if lines else f"{arguments.bot} has logged nothing.",
                 Tone.HEADING),
            Lines(tuple(map(readable, lines))),
        ]
    )  # fmt: skip


def version_page(context: Context, arguments: Arguments) -> Answer:  # noqa: ARG001
    rows = [("alpha", _alpha()), ("mode", context.settings.alpha_mode.value), ("Python", platform.python_version())]
    try:
        with context.reading() as ledger:
            database = database_standing(ledger)
        rows += [("PostgreSQL", database.version), ("migrated to", database.migration)]
    except LedgerUnavailable:
        rows.append(("PostgreSQL", "does not answer"))
    bots = tuple((bot.id, bot.strategy) for bot in context.registry.bots.values())
    return answer_of([Facts(tuple(rows), "Version"), Facts(bots, "Bots")])


def _alpha() -> str:
    try:
        return version("alpha-trading")
    except PackageNotFoundError:  # an image holds the code alone
        return "not installed as a package"
