"""`alpha rebuild-live`: what Redis holds of the bots, written anew."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, UNREACHABLE, FiniteRange, example, one_line

if TYPE_CHECKING:
    from alpha.live.rebuild import Rebuilt


@click.command(
    "rebuild-live", epilog=example("alpha rebuild-live", "alpha rebuild-live --bot canary_001 --bot canary_002 --json")
)
@click.option("--bot", "bots", multiple=True, metavar="ID", help="One bot; may be repeated.  [default: all]")
@click.option(
    "--wait",
    "wait_s",
    type=FiniteRange(min=0),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the listener, for each bot.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def rebuild_live(bots: tuple[str, ...], wait_s: float, as_json: bool) -> int:
    """Drops what Redis holds of the bots and has it written anew: positions, open orders, streams of fills.

    The listener that holds a bot's account is asked to, and does it from the ledger and what it hears of the exchange;
    it does the same by itself when Redis was emptied or was away. Where no listener runs, it is done from the ledger
    alone: bots then read what was last known, and open nothing until a listener confirms it. No fill is lost or
    repeated for a bot that reads meanwhile.

    Exit code 1 when a bot could not be rebuilt, 3 when PostgreSQL or Redis cannot be reached.
    """
    from alpha.domain.errors import AlphaError
    from alpha.ledger.connection import LedgerUnavailable, connect
    from alpha.live.connection import LIVE_ERRORS, open_redis
    from alpha.live.rebuild import rebuild
    from alpha.local.attach import settings_of

    settings, registry = settings_of("reader")
    chosen = [registry.bot(bot) for bot in bots] if bots else list(registry.bots.values())
    address = settings.redis()
    done: list[Rebuilt] = []
    failed: dict[str, str] = {}
    with closing(connect(settings.dsn(), "alpha-rebuild-live")) as connection:
        for bot in chosen:
            try:
                with open_redis(address, bot.redis_db) as client:
                    rebuilt = rebuild(connection, client, registry, bot, within_s=wait_s)
            except LedgerUnavailable:
                raise
            except LIVE_ERRORS as error:
                click.echo(f"alpha: Redis at {address.host}:{address.port} does not answer: {error}", err=True)
                return UNREACHABLE
            except AlphaError as error:
                failed[bot.id] = str(error)
                click.echo(f"alpha: {bot.id}: {error}", err=True)
            else:
                done.append(rebuilt)
                if not as_json:
                    click.echo(_line(rebuilt))
    if as_json:
        click.echo(json.dumps({"rebuilt": [asdict(each) for each in done], "failed": failed}))
    return FAILED if failed else 0


def _line(rebuilt: Rebuilt) -> str:
    from alpha.live.rebuild import Rebuilder

    fills = f"fills {rebuilt.first_fill} to {rebuilt.last_fill}" if rebuilt.last_fill else "no fills"
    source = {
        Rebuilder.LISTENER: "by its listener",
        Rebuilder.LEDGER: "from the ledger alone, since no listener holds its account: not confirmed by anybody",
    }[rebuilt.by]
    return (
        f"{rebuilt.bot}: {rebuilt.positions} positions, {rebuilt.open_orders} open orders, {fills}, "
        f"in {rebuilt.seconds} s {source}"
    )
