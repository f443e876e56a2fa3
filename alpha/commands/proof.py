"""`alpha proof`: whether the ledger is the exchange's, day by day and to the cent."""

from __future__ import annotations

from datetime import date

import click

from alpha.commands.shape import example, one_line, who


class UtcDay(click.ParamType[date]):
    """A date as people write it."""

    name = "day"

    def convert(self, value: date | str, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day: write it as 2025-01-31.", param, ctx)
        if day == date.max:
            # It has no next one, at which it would end.
            self.fail(f"{value} is no day of any market.", param, ctx)
        return day


@click.command(
    epilog=example("alpha proof", "alpha proof --account canary --day 2025-01-31", "alpha proof --json | jq .proven")
)
@click.option("--account", default=None, help="One account.  [default: all]")
@click.option(
    "--day", type=UtcDay(), default=None, help="One UTC day of the market.  [default: all since the first contact]"
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def proof(account: str | None, day: date | None, as_json: bool) -> int:
    """Proves that the ledger equals the exchange's own books. Exit code 1 when something speaks against it.

    First what `alpha verify` does: executions and positions, field by field. Then coverage, the transaction log, closed
    P&L to the cent, the double entry of each day and coin, the wallet, and the round trips. What is wrong is named by
    its row; the verdict on each day is kept, and the same is judged every night.

    Without a running platform it opens the one that was kept: by `alpha up`, by `alpha demo --keep` or, with ALPHA_HOME
    set to its folder, by `alpha drill --keep`.
    """
    from alpha.local.proving import run_proof

    return run_proof(account=account, day=day, as_json=as_json, by=who())
