"""What every subcommand of `alpha` has in common: exit codes, one line for an error, the form of help and options."""

from __future__ import annotations

import getpass
import math
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from alpha.domain.errors import AlphaError
from alpha.service.exit_codes import FAILED, INTERRUPTED, MISCONFIGURED, UNREACHABLE, exit_code

if TYPE_CHECKING:
    from alpha.config import Registry
    from alpha.domain.ids import BotId

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "MISCONFIGURED",
    "UNREACHABLE",
    "FiniteRange",
    "bots_option",
    "candles_option",
    "chosen_bots",
    "example",
    "exit_code",
    "ids_of",
    "one_line",
    "speed_option",
    "who",
]

P = ParamSpec("P")


def one_line(command: Callable[P, int | None]) -> Callable[P, None]:
    """Runs a command; an error of ours becomes one line on stderr and an exit code, and nobody sees a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs) or 0
        except AlphaError as error:
            click.echo(f"alpha: {' '.join(str(error).split())}", err=True)
            code = exit_code(error)
        except BrokenPipeError:
            # The reader of our output (head, less) has gone; nothing is left to say, also not at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        sys.exit(code)

    return run


def example(*lines: str) -> str:
    """The end of a help text."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


class FiniteRange(click.FloatRange):
    """A number within bounds; unlike its parent it refuses nan and inf, which are within any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def speed_option(default: float, text: str) -> Callable[[Any], Any]:
    positive = FiniteRange(min=0, min_open=True)
    return click.option("--speed", type=positive, default=default, show_default=True, help=text)


def candles_option(text: str, *other_names: str) -> Callable[[Any], Any]:
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--candles", *other_names, "candles", type=folder, default=None, help=text)


def bots_option(text: str) -> Callable[[Any], Any]:
    return click.option("--bots", metavar="ID,ID", default=None, help=text)


def who() -> str:
    """The person at the terminal, for the audit trail."""
    try:
        return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return f"cli:uid {os.getuid()}"


def chosen_bots(registry: Registry, text: str | None) -> tuple[BotId, ...]:
    """The bots that --bots names, all of the registry without it."""
    return tuple(registry.bots) if text is None else tuple(registry.bot(bot_id).id for bot_id in ids_of(text))


def ids_of(text: str) -> tuple[str, ...]:
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    if not ids:
        raise click.UsageError("a list must name something: write ID,ID or leave the option out")
    return ids
