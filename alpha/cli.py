"""The `alpha` command. Each subcommand is a thin door: it reads the configuration and calls one function.

Exit codes: 0 yes, 1 the check failed, 2 usage or configuration, 3 something cannot be reached, 130 interrupted before
there was an answer. What a subcommand needs is imported inside it, so that `alpha --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING


def _end_at_once(*_: object) -> None:
    """Ends on Ctrl-C, without unwinding: nothing needs an end in order before a command installs its own handler."""
    os.write(2, b"alpha: interrupted\n")
    os._exit(130)


if __name__ == "__main__" or Path(sys.argv[0]).name == "alpha":  # the imports below take longer than a reflex
    signal.signal(signal.SIGINT, _end_at_once)

import click  # noqa: E402

from alpha.commands import commanding  # noqa: E402
from alpha.commands.assign import assign  # noqa: E402
from alpha.commands.backfill import backfill  # noqa: E402
from alpha.commands.backtest import backtest  # noqa: E402
from alpha.commands.backup import backup  # noqa: E402
from alpha.commands.c2 import c2  # noqa: E402
from alpha.commands.candles import candles  # noqa: E402
from alpha.commands.drift import drift  # noqa: E402
from alpha.commands.drill import drill  # noqa: E402
from alpha.commands.export import export  # noqa: E402
from alpha.commands.healthcheck import healthcheck  # noqa: E402
from alpha.commands.init import init  # noqa: E402
from alpha.commands.new_strategy import new_strategy  # noqa: E402
from alpha.commands.paper_exchange import paper_exchange  # noqa: E402
from alpha.commands.proof import proof  # noqa: E402
from alpha.commands.rebuild import rebuild  # noqa: E402
from alpha.commands.rebuild_live import rebuild_live  # noqa: E402
from alpha.commands.replay_raw import replay_raw  # noqa: E402
from alpha.commands.report import report  # noqa: E402
from alpha.commands.restore import restore  # noqa: E402
from alpha.commands.rollups import rollups  # noqa: E402
from alpha.commands.shape import (  # noqa: E402
    FAILED,
    MISCONFIGURED,
    FiniteRange,
    bots_option,
    candles_option,
    chosen_bots,
    example,
    ids_of,
    one_line,
    speed_option,
)
from alpha.commands.sweep import sweep  # noqa: E402
from alpha.commands.sync import sync  # noqa: E402
from alpha.commands.telegram import telegram  # noqa: E402
from alpha.commands.trade_sync import trade_sync  # noqa: E402

if TYPE_CHECKING:
    from alpha.config import Registry, Settings


def main() -> None:
    """Entry point of the `alpha` command."""
    signal.signal(signal.SIGINT, _end_at_once)  # also where another program name hid us above
    try:
        code = alpha.main(prog_name="alpha", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = MISCONFIGURED
    except click.UsageError as error:
        path = "alpha" if error.ctx is None else error.ctx.command_path
        message = " ".join(error.format_message().split()).rstrip(".")
        click.echo(f"{path}: {message}; see {path} --help", err=True)
        code = MISCONFIGURED
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="alpha-trading", prog_name="alpha")
def alpha() -> None:
    """Alpha: many trading bots, one listener, every fill recorded exactly once.

    `alpha demo` shows the whole platform on a market of its own, without keys or network.
    """


@alpha.command(epilog=example("alpha demo --seconds 120 --candles ~/my-candles", "alpha demo --json | tail -1"))
@click.option(
    "--seconds", type=FiniteRange(min=1), default=60.0, show_default=True, help="Trade for so long, then sum up."
)
@speed_option(1800.0, "Market seconds per second.")
@candles_option("Replay the candles of this folder instead of a synthetic market.")
@bots_option("Which bots trade.  [default: all of bots.yaml]")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the synthetic market.")
@click.option("--keep", is_flag=True, help="Keep the data of the run.")
@click.option("--json", "as_json", is_flag=True, help="The last line printed is the result as JSON.")
@one_line
def demo(
    seconds: float | None, speed: float, candles: Path | None, bots: str | None, seed: int, keep: bool, as_json: bool
) -> int:
    """Runs the whole platform on a paper exchange and checks that the ledger equals what the exchange did.

    Exit code 0 when it does, 1 when not, 130 when interrupted before it was known.
    """
    from alpha.local.demo import run_demo

    chosen = None if bots is None else ids_of(bots)
    return run_demo(bots=chosen, seconds=seconds, speed=speed, candles=candles, seed=seed, keep=keep, as_json=as_json)


@alpha.command(epilog=example("alpha up", "alpha up --bots canary_001 --speed 60"))
@bots_option("Which bots run.  [default: all of bots.yaml]")
@speed_option(1.0, "Mode paper: market seconds per second.")
@candles_option("Mode paper: replay the candles of this folder.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Mode paper: of the synthetic market."
)
@click.option("--standby", is_flag=True, help="A second listener stands by and goes on when the first one cannot.")
@one_line
def up(bots: str | None, speed: float, candles: Path | None, seed: int, standby: bool) -> int:
    """Runs the platform until stopped, keeping its data in .alpha/ (or ALPHA_HOME).

    PostgreSQL and Valkey are embedded; the exchange is the paper exchange unless ALPHA_MODE says otherwise.
    """
    from alpha.config import load_registry, load_settings
    from alpha.local.up import run_until_stopped

    settings = load_settings()
    registry = load_registry(settings.alpha_bots_file)
    return run_until_stopped(
        settings,
        registry,
        bots=chosen_bots(registry, bots),
        speed=speed,
        candles=candles,
        seed=seed,
        standby=standby,
    )


@alpha.command(epilog=example("alpha status", "alpha status shortseller_001", "alpha status --json"))
@click.argument("bot_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def status(bot_id: str | None, as_json: bool) -> int:
    """Shows bots, positions, results, and the health of every process. Exit code 1 when something is not well.

    With BOT_ID: that bot, and how far each of its limits is used.
    """
    from alpha.local.attach import settings_of
    from alpha.local.status import print_status, take_status

    settings, registry = settings_of("reader")
    bot = None if bot_id is None else registry.bot(bot_id).id
    taken = take_status(settings, registry)
    print_status(taken, as_json=as_json, bot=bot)
    return 0 if taken.ok else FAILED


@alpha.command(epilog=example("alpha verify", "alpha verify --account canary --since 2025-01-01 --json"))
@click.option("--account", default=None, help="One account.  [default: all]")
@click.option(
    "--since",
    default=None,
    metavar="TIME",
    help="Market time, UTC, for example 2025-01-31 or 2025-01-31T12:00.  [default: the account's start]",
)
@click.option("--until", default=None, metavar="TIME", help="Market time, UTC.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def verify(account: str | None, since: str | None, until: str | None, as_json: bool) -> int:
    """Compares the exchange's executions and positions with the ledger. Exit code 1 on any difference."""
    from alpha.local.attach import environment_of, settings_of
    from alpha.local.times import market_time
    from alpha.verify import run_verify

    first, end = market_time("--since", since), market_time("--until", until)
    settings, registry = settings_of("reader")
    return run_verify(
        settings,
        registry,
        environment_of("reader"),
        account=account,
        since=first,
        until=end,
        as_json=as_json,
    )


@alpha.command(epilog=example("alpha migrate"))
@one_line
def migrate() -> None:
    """Brings the database up to date. Running it again changes nothing."""
    from alpha.local.attach import settings_of
    from database.migrate import migrate as apply

    settings, _ = settings_of("owner")
    applied = apply(settings.dsn())
    click.echo("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


@alpha.command(epilog=example("alpha feed"))
@one_line
def feed() -> None:
    """Runs the market feed: one public stream, bars and prices into Redis for all bots."""
    settings, registry = _start_service("feed")
    from websocket_listener.feed import main as run

    run(settings, registry)


@alpha.command(epilog=example("alpha listener"))
@one_line
def listener() -> None:
    """Runs the listener: the private streams of all accounts into the ledger and the live state."""
    settings, registry = _start_service("listener")
    from websocket_listener.main import main as run

    run(settings, registry)


@alpha.command(epilog=example("alpha bot shortseller_001"))
@click.argument("bot_id")
@one_line
def bot(bot_id: str) -> None:
    """Runs one bot."""
    settings, registry = _start_service(bot_id)
    chosen = registry.bot(bot_id).id
    from alpha.bot.runner import run_bot

    run_bot(settings, registry, chosen)


def _start_service(name: str) -> tuple[Settings, Registry]:
    """Reads and checks the configuration of a long-running process before anything heavy is imported."""
    settings = _configure(name)
    from alpha.config import load_registry

    return settings, load_registry(settings.alpha_bots_file)


def _configure(name: str) -> Settings:
    """The settings of a long-running process, and its log."""
    from alpha.config import load_settings
    from alpha.service.logging import configure_logging

    settings = load_settings()
    configure_logging(name, settings)
    return settings


for commanding_command in commanding.COMMANDS:
    alpha.add_command(commanding_command)
alpha.add_command(drift)
alpha.add_command(c2)
alpha.add_command(backtest)
alpha.add_command(candles)
alpha.add_command(sweep)
alpha.add_command(new_strategy)
alpha.add_command(replay_raw)
alpha.add_command(drill)
alpha.add_command(proof)
alpha.add_command(export)
alpha.add_command(report)
alpha.add_command(rebuild)
alpha.add_command(rebuild_live)
alpha.add_command(rollups)
alpha.add_command(assign)
alpha.add_command(paper_exchange)
alpha.add_command(sync)
alpha.add_command(backfill)
alpha.add_command(trade_sync)
alpha.add_command(init)
alpha.add_command(healthcheck)
alpha.add_command(backup)
alpha.add_command(restore)
alpha.add_command(telegram)

if __name__ == "__main__":
    main()
