"""`alpha c2`: the commands of the Telegram command centre, answered in the terminal."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line, who

if TYPE_CHECKING:
    from telegram_manager.context import Context
    from telegram_manager.parsing import Call
    from telegram_manager.rendering.answer import Answer

_WIDTH = 200
"""Of an answer that goes into a file or a pipe."""


@click.command(
    epilog=example("alpha c2 status", 'alpha c2 "analytics all 7" --out charts', 'alpha c2 "/fills canary_001 20"')
)
@click.argument("words", metavar="COMMAND", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do what is dangerous without asking.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="this folder",
    help="Where pictures are written.",
)
@one_line
def c2(words: tuple[str, ...], yes: bool, out: Path) -> int:
    """Asks the command centre, without Telegram: the same commands, the same answers.

    `alpha c2 help` lists them. Pictures become files. Exit code 1 when something is not well or was not done.
    """
    from telegram_manager.asking import authorise
    from telegram_manager.door.audit_trail import AuditTrail, carry_out
    from telegram_manager.parsing import parse

    spoken = " ".join(words)
    with _context() as context:
        call = parse(spoken, context.registry, context.commands)
        authorise(context, call)
        if not yes and not _confirmed(context, call):
            click.echo("alpha: nothing was done", err=True)
            return FAILED
        with closing(AuditTrail(context.settings.dsn())) as trail:
            answer = carry_out(context, call, spoken, trail, {"door": "terminal"})
    _show(answer, out)
    return 0 if answer.ok else FAILED


@contextmanager
def _context() -> Iterator[Context]:
    """Of the platform that runs here, else of the one that the environment describes. Who can read its keys may
    everything."""
    from alpha.commands.terminal_log import log_failures_only
    from alpha.config import load_registry, load_settings
    from alpha.local.attach import environment_of
    from alpha.local.status import bots_of, processes_of, running_here
    from alpha.service.alerts import AlertWriter
    from alpha.service.listed_symbols import listed_or_recorded
    from telegram_manager.actor import Actor, Role
    from telegram_manager.command_table import COMMANDS
    from telegram_manager.commanding.desk import Desk
    from telegram_manager.context import Context

    environ = environment_of("commander")
    settings = load_settings(environ)
    registry = listed_or_recorded(settings, load_registry(settings.alpha_bots_file).in_use(environ))
    running = running_here(settings)
    log_failures_only("c2", settings)
    with (
        closing(AlertWriter(settings.dsn(), settings.redis(), "c2")) as alerts,
        closing(Desk.open(settings, registry, environ, alerts=alerts, patience_s=math.inf)) as desk,
    ):
        yield Context(
            settings=settings,
            registry=registry,
            actor=Actor(who(), Role.ADMIN),
            commands=COMMANDS,
            bots=desk.control,
            desk=desk,
            running=bots_of(running),
            processes=processes_of(running),
            progress=lambda text: click.echo(text, err=True),
        )


def _confirmed(context: Context, call: Call) -> bool:
    """Asks as often as the command is dangerous; a terminal that cannot answer says no."""
    from telegram_manager.command import Danger

    command = call.command
    times = {Danger.NONE: 0, Danger.ASK: 1, Danger.ASK_TWICE: 2}[command.danger]
    if times == 0:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"{command.name} asks before it acts, and nobody can answer here: add --yes")
    said = command.help if command.question is None else command.question(context, call.arguments)
    click.echo(said, err=True)
    return all(click.confirm("Really?" if time else "Do it?", err=True) for time in range(times))


def _show(answer: Answer, out: Path) -> None:
    from telegram_manager.rendering.telegram import pictures
    from telegram_manager.rendering.terminal import text

    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    click.echo(text(answer, width))
    for picture in pictures(answer):
        out.mkdir(parents=True, exist_ok=True)
        path = out / picture.name
        path.write_bytes(picture.png)
        click.echo(f"\n{picture.caption}\n{path}")
