"""`alpha rollups`: the sums per day behind the views. They need no care; this is for looking and for mending."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line

if TYPE_CHECKING:
    from alpha.ledger.connection import Connection

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group(epilog=example("alpha rollups check --day 2026-11-20", "alpha rollups zone Europe/Berlin"))
def rollups() -> None:
    """Sums per day that the views are made of: check, fold, pack and rebuild them, or cut days in another zone."""


@rollups.command(
    epilog=example("alpha rollups check --day 2026-11-20", "alpha rollups check --since 2026-11-01 --json")
)
@click.option("--day", type=_DAY, default=None, help="One UTC day of the market.")
@click.option("--since", type=_DAY, default=None, help="From this day on.  [default: the first]")
@click.option("--until", type=_DAY, default=None, help="Up to this day.  [default: the last]")
@click.option("--bot", default=None, help="One bot.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def check(day: datetime | None, since: datetime | None, until: datetime | None, bot: str | None, as_json: bool) -> int:
    """Recomputes days from their fills and compares. Exit code 1 when a sum is something else."""
    from alpha.domain.ids import BotId
    from alpha.ledger.rollup_check import check_days, recorded_days

    if day is not None and (since is not None or until is not None):
        raise click.UsageError("--day is one day: it goes without --since and --until")
    named = None if bot is None else BotId(bot)
    with closing(_connection("reader")) as connection:
        known = recorded_days(connection, named)
        if known is None:
            found, first, last = [], None, None
        else:
            first = _date(day or since) or known[0]
            last = _date(day or until) or known[1]
            found = check_days(connection, first, last, named)
    if as_json:
        days = {"since": None if first is None else str(first), "until": None if last is None else str(last)}
        click.echo(json.dumps({"right": not found, **days, "wrong": [str(each) for each in found]}))
    elif first is None:
        click.echo("there are no fills")
    elif found:
        click.echo("\n".join(map(str, found)))
    else:
        click.echo(f"every sum from {first} to {last} is what its fills say")
    return FAILED if found else 0


@rollups.command(epilog=example("alpha rollups fold"))
@one_line
def fold() -> int:
    """Folds closed days per bot and over all bots, as trade_sync_service does."""
    from alpha.ledger.rollups import fold_closed_days

    with closing(_commander()) as connection:
        click.echo(f"{fold_closed_days(connection)} days folded")
    return 0


@rollups.command(epilog=example("alpha rollups pack", "alpha rollups pack --month 2026-10"))
@click.option(
    "--within",
    type=click.IntRange(1, 3600),
    default=None,
    help="Seconds after which an index is given up: recording waits that long, and from 8 on the listener is without a "
    "ledger.  [default: 5]",
)
@click.option(
    "--month",
    type=click.DateTime(["%Y-%m"]),
    default=None,
    help="Only this month, however large: takes longer, and nobody waits.",
)
@one_line
def pack(within: int | None, month: datetime | None) -> int:
    """Makes indexes of fills anew that have grown since, so that they take less room. Recording waits for each."""
    from alpha.ledger.rollups import INDEX_WITHIN_S, pack_indexes, pack_month

    if month is not None:
        if within is not None:
            raise click.UsageError("--month takes as long as it takes: it goes without --within")
        with closing(_connection("owner")) as owner:
            click.echo(f"{pack_month(owner, month.date())} indexes packed")
        return 0
    with closing(_commander()) as connection:
        click.echo(f"{pack_indexes(connection, within_s=within or INDEX_WITHIN_S)} indexes packed")
    return 0


@rollups.command(epilog=example("alpha rollups rebuild"))
@one_line
def rebuild() -> int:
    """Makes all sums anew from fills and round trips. Recording waits meanwhile."""
    from alpha.ledger.rollups import rebuild_rollups

    with closing(_commander()) as connection:
        click.echo(f"{rebuild_rollups(connection)} sums made anew")
    return 0


@rollups.command(epilog=example("alpha rollups zone", "alpha rollups zone Europe/Berlin"))
@click.argument("name", required=False)
@one_line
def zone(name: str | None) -> int:
    """Shows the zone in which the _local views cut days, or sets it, also for the past. Recording waits meanwhile."""
    from alpha.ledger.rollups import reporting_zone, set_reporting_zone

    with closing(_commander()) as connection:
        if name is None:
            click.echo(reporting_zone(connection))
        else:
            click.echo(f"{set_reporting_zone(connection, name)} sums made anew for {name}")
    return 0


def _commander() -> Connection:
    return _connection("commander")


def _connection(role: str) -> Connection:
    from alpha.ledger.connection import connect
    from alpha.local.attach import settings_of

    settings, _ = settings_of(role)
    # Years of fills may be read or summed.
    return connect(settings.dsn(), "alpha-rollups", statement_timeout_s=3600)


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
