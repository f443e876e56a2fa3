"""`alpha start|stop|restart|pause|resume|flatten|kill|unkill|rehearse`: the command centre's own, from a terminal."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line, who

if TYPE_CHECKING:
    from alpha.domain.ids import BotId
    from telegram_manager.commanding.desk import Desk
    from telegram_manager.rendering.answer import Answer

_WIDTH = 120
_NO_REASON = "no reason given"
_NOT_KNOWN = "not known"

_why = click.option("--why", required=True, help="Reason, kept in the audit trail.")
_why_or_not = click.option("--why", default=_NO_REASON, help="Reason, kept in the audit trail.")
_yes = click.option("--yes", is_flag=True, help="Do it without asking.")
_one = click.argument("bot_id")
_one_or_all = click.argument("bot_id", required=False)
_scope = click.argument("name", metavar="BOT|ACCOUNT|all")


@click.command(epilog=example('alpha start shortseller_001 --why "maintenance is done"'))
@_one_or_all
@_why
@one_line
def start(bot_id: str | None, why: str) -> int:
    """Has the platform run a bot and waits for its heartbeat. Without BOT_ID: all that were not stopped by name.

    Exit code 1 when it gives no sign of life.
    """
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.starting import start_bot

    if bot_id is None:
        return _all(why, stopped=False)
    with _desk() as desk:
        bot = desk.registry.bot(bot_id).id
        return _show(pages.start_page(start_bot(desk, bot, by=who(), why=_reason(why), progress=_progress)))


@click.command(epilog=example('alpha stop shortseller_001 --why "maintenance"'))
@_one_or_all
@_why
@one_line
def stop(bot_id: str | None, why: str) -> int:
    """Ends a bot, or without BOT_ID all of them, and cancels resting entries. Positions stay under their stops.

    Says which positions stay open, under which stops.
    """
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.stopping import stop_bot

    if bot_id is None:
        return _all(why, stopped=True)
    with _desk() as desk:
        bot = desk.registry.bot(bot_id).id
        return _show(pages.stop_page(stop_bot(desk, bot, by=who(), why=_reason(why), progress=_progress)))


@click.command(epilog=example('alpha restart shortseller_001 --why "new parameters"'))
@_one
@_why
@one_line
def restart(bot_id: str, why: str) -> int:
    """Ends a bot and starts it again."""
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.starting import restart_bot

    with _desk() as desk:
        bot = desk.registry.bot(bot_id).id
        return _show(pages.start_page(restart_bot(desk, bot, by=who(), why=_reason(why), progress=_progress)))


@click.command(epilog=example('alpha pause shortseller_001 --why "news at 14:00"'))
@_one_or_all
@_why
@one_line
def pause(bot_id: str | None, why: str) -> int:
    """Allows a bot, or without BOT_ID all of them, no new entries. Exits go on."""
    return _entries(bot_id, why, allowed=False)


@click.command(epilog=example('alpha resume shortseller_001 --why "the news is out"'))
@_one_or_all
@_why
@one_line
def resume(bot_id: str | None, why: str) -> int:
    """Allows entries again. Named, a bot that was halted by its drawdown goes on as well."""
    return _entries(bot_id, why, allowed=True)


@click.command(epilog=example("alpha flatten shortseller_001", "alpha flatten shortseller_001 ETHUSDT --yes"))
@_one
@click.argument("symbol", required=False)
@_why_or_not
@_yes
@one_line
def flatten(bot_id: str, symbol: str | None, why: str, yes: bool) -> int:
    """Cancels a bot's orders and closes its positions, in one symbol or in all of its own, and proves it.

    The bot goes on afterwards. Ctrl-C leaves it unfinished; the command centre, where it runs, takes it up again.
    """
    from alpha.domain.ids import Symbol
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.killing import flatten as carry_out

    with _desk(emergency=True) as desk:
        bot = desk.registry.bot(bot_id).id
        chosen = None if symbol is None else Symbol(symbol.upper())
        if not _is_meant(f"Close what {bot} holds{'' if chosen is None else f' in {chosen}'}?", yes):
            return FAILED
        return _show(pages.kill_page(carry_out(desk, bot, chosen, by=who(), why=_reason(why), progress=_progress)))


@click.command(epilog=example("alpha kill all", "alpha kill canary_001 --yes"))
@_scope
@_why_or_not
@_yes
@one_line
def kill(name: str, why: str, yes: bool) -> int:
    """Freezes entries, cancels every order, closes every position, proves it, and holds it so until `alpha unkill`.

    Needs the exchange alone: it works while PostgreSQL, Redis or the bots are down. Returns when it is proven; Ctrl-C
    leaves it unfinished, and the command centre, where it runs, takes it up again.
    """
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.killing import kill as carry_out
    from telegram_manager.commanding.reach import scope_of

    with _desk(emergency=True) as desk:
        scope_of(desk.registry, name)
        if not _is_meant(f"Cancel every order and close every position of {name}?", yes):
            return FAILED
        return _show(pages.kill_page(carry_out(desk, name, by=who(), why=_reason(why), progress=_progress)))


@click.command(epilog=example('alpha unkill all --why "the exchange is itself again"'))
@_scope
@_why
@_yes
@one_line
def unkill(name: str, why: str, yes: bool) -> int:
    """Lifts a kill: what was allowed before is allowed again. Asks twice."""
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.killing import unkill as carry_out

    with _desk() as desk:
        if not _is_meant(f"Lift the kill of {name}?", yes) or not _is_meant("Its bots trade again. Really?", yes):
            return FAILED
        return _show(pages.unkill_page(carry_out(desk, name, by=who(), why=_reason(why))))


@click.command(epilog=example("alpha rehearse"))
@one_line
def rehearse() -> int:
    """A kill of everything, rehearsed: what it needs is looked at, and the closing is done on a paper exchange.

    No order of a real account is touched. Exit code 1 when a step of it would not work.
    """
    from telegram_manager.commanding import pages
    from telegram_manager.commanding.rehearsal import rehearse as carry_out

    with _desk() as desk:
        return _show(pages.rehearsal_page(carry_out(desk, by=who(), progress=_progress)))


COMMANDS = (start, stop, restart, pause, resume, flatten, kill, unkill, rehearse)


def _entries(bot_id: str | None, why: str, *, allowed: bool) -> int:
    from telegram_manager.commanding import pages, pausing

    with _desk() as desk:
        bot: BotId | None = None if bot_id is None else desk.registry.bot(bot_id).id
        carry_out = pausing.resume if allowed else pausing.pause
        return _show(pages.pause_page(carry_out(desk, bot, by=who(), why=_reason(why))))


def _all(why: str, *, stopped: bool) -> int:
    """The control over everything; each bot's own stays as it is."""
    from alpha.ledger.controls import PLATFORM, DesiredState, set_control

    state = DesiredState.STOPPED if stopped else DesiredState.RUNNING
    with _desk() as desk, desk.ledger() as connection:
        set_control(connection, PLATFORM, by=who(), why=_reason(why), desired_state=state)
    done = "will end; their positions stay under their stops at the exchange" if stopped else "will run"
    click.echo(f"all bots: {done}")
    return 0


@contextmanager
def _desk(*, emergency: bool = False) -> Iterator[Desk]:
    """Of the platform that runs here, else of the one that the environment describes. In an `emergency` the accounts'
    keys are enough: servers that are not known count as being away."""
    from alpha.commands.terminal_log import log_failures_only
    from alpha.config import environment, load_registry, load_settings
    from alpha.local.attach import environment_of
    from alpha.local.errors import NotRunning
    from alpha.service.alerts import AlertWriter
    from alpha.service.listed_symbols import listed_or_recorded
    from telegram_manager.commanding.desk import Desk

    try:
        environ = environment_of("commander")
    except NotRunning:
        if not emergency:
            raise
        environ = {"POSTGRES_PASSWORD": _NOT_KNOWN, "REDIS_PASSWORD": _NOT_KNOWN} | environment()
    settings = load_settings(environ)
    registry = listed_or_recorded(settings, load_registry(settings.alpha_bots_file).in_use(environ))
    log_failures_only("cli", settings)
    with (
        closing(AlertWriter(settings.dsn(), settings.redis(), "cli")) as alerts,
        closing(Desk.open(settings, registry, environ, alerts=alerts, patience_s=math.inf)) as desk,
    ):
        yield desk


def _reason(why: str) -> str:
    if not why.strip():
        raise click.UsageError("--why must say something: it is what the audit trail will show")
    return why.strip()


def _is_meant(question: str, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("this asks before it acts, and nobody can answer here: add --yes")
    return click.confirm(question, err=True)


def _progress(text: str) -> None:
    click.echo(text, err=True)


def _show(answer: Answer) -> int:
    from telegram_manager.rendering.terminal import text

    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    click.echo(text(answer, width))
    return 0 if answer.ok else FAILED
