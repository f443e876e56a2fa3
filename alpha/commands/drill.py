from __future__ import annotations

import secrets

import click

from alpha.commands.shape import FiniteRange, example, one_line

_SEEDS = 1_000_000


@click.command(
    epilog=example("alpha drill", "alpha drill --fills 20000 --accounts 5 --json | tail -1", "alpha drill --minutes 60")
)
@click.option(
    "--fills", type=click.IntRange(min=100), default=None, help="Executions of one phase, at least.  [default: 3000]"
)
@click.option(
    "--accounts", type=click.IntRange(1, 50), default=None, help="Trading accounts; two bots share one.  [default: 3]"
)
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Replays a drill.  [default: a new one]")
@click.option(
    "--minutes", type=FiniteRange(min=0, min_open=True), default=None, help="Go on with new phases for so long."
)
@click.option("--keep", is_flag=True, help="Keep logs, journal and data of the run.")
@click.option("--json", "as_json", is_flag=True, help="The last line printed is the result as JSON.")
@one_line
def drill(
    fills: int | None, accounts: int | None, seed: int | None, minutes: float | None, keep: bool, as_json: bool
) -> int:
    """Breaks everything that can break while accounts trade, and checks that no fill was lost or doubled.

    Starts an exchange, PostgreSQL, Valkey and two listeners of its own, in a temporary directory. Exit code 0 when
    ledger, positions, trades and streams equal what the exchange did, 1 on any difference, 2 when a kind of fault hit
    nothing, 3 when it cannot run, 130 when interrupted.
    """
    from alpha.local.drill import DrillOptions, run_drill
    from alpha.local.drill.options import DEFAULT_ACCOUNTS, DEFAULT_FILLS

    options = DrillOptions(
        seed=secrets.randbelow(_SEEDS) if seed is None else seed,
        fills=fills or DEFAULT_FILLS,
        accounts=accounts or DEFAULT_ACCOUNTS,
        minutes=minutes,
    )
    return run_drill(options, keep=keep, as_json=as_json)
