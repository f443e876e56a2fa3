"""`alpha backfill`: the past from before the platform saw an account, into the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import example, one_line, who

if TYPE_CHECKING:
    from alpha.config.registry import Registry
    from alpha.domain.ids import AccountName


@click.command(epilog=example("alpha backfill --months 6", "alpha backfill --months 24 --bot shortseller_001 --json"))
@click.option("--months", required=True, type=click.IntRange(1, 24), help="How far back; the exchange keeps two years.")
@click.option("--bot", "bots", multiple=True, metavar="ID", help="The account of one bot; may be repeated.")
@click.option("--account", "accounts", multiple=True, help="One account; may be repeated.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="The last line printed is the result as JSON.")
@one_line
def backfill(months: int, bots: tuple[str, ...], accounts: tuple[str, ...], as_json: bool) -> int:
    """Reads executions, transaction log and closed P&L of the past months into the ledger.

    Everything of the bot's account is read, as an exchange has no bots. The intervals are opened for the listener,
    which recovers and proves them as it does any other; where none runs, one is started for as long as this takes.
    Interrupted, run it again: it goes on where it was. It may run beside the hourly comparison and more than once.

    Exit code 1 when something could not be recovered or disagrees, 3 when the exchange or the database gave no answer.
    """
    from alpha.local.backfilling import run_backfill

    def chosen(registry: Registry) -> list[AccountName]:
        named = [registry.account(name).name for name in accounts] + [registry.bot(bot).account for bot in bots]
        everything = [name for name in registry.accounts if registry.bots_on(name)]
        return list(dict.fromkeys(named)) or everything

    result = run_backfill(chosen, months=months, by=who(), quiet=as_json)
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        click.echo("\n".join(result.lines()))
    return result.exit_code
