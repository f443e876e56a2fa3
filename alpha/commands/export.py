"""`alpha export`: fills, round trips and funding as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path

import click

from alpha.commands.shape import example, one_line


@click.command(
    epilog=example(
        "alpha export fills fills.parquet --from 2025-01-01 --until 2025-02-01",
        "alpha export trades - --bot canary_001 | head",
        "alpha export funding funding.csv --account canary",
    )
)
@click.argument("what", type=click.Choice(["fills", "trades", "funding"]))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--from", "since", metavar="TIME", default=None, help="Market time, UTC.  [default: the first]")
@click.option("--until", metavar="TIME", default=None, help="Market time, UTC, not included.  [default: the last]")
@click.option("--bot", default=None, help="Of one bot, by the owner that counts.")
@click.option("--account", default=None, help="Of one account.")
@one_line
def export(what: str, file: Path, since: str | None, until: str | None, bot: str | None, account: str | None) -> int:
    """Writes WHAT into FILE, a .csv or a .parquet; - is CSV on the terminal.

    Trades are round trips and told by when they closed. Numbers are exact: in Parquet money is text. Backtests are left
    out of trades. Without a running platform the one that was kept is read.
    """
    import sys
    from contextlib import closing

    from alpha.commands.output import check_file, writing
    from alpha.config.errors import ConfigError
    from alpha.ledger.connection import connect
    from alpha.ledger.exporting import Exported, exported_rows
    from alpha.local.kept import ledger_of_platform
    from alpha.local.times import market_time
    from alpha.reporting.table_file import TableFormat, write_csv, write_table

    to_terminal = str(file) == "-"
    form = TableFormat.CSV if to_terminal else TableFormat.of(file)
    if form is None:
        raise ConfigError(f"{file} says neither .csv nor .parquet: end its name with one of them")
    first, end = market_time("--from", since), market_time("--until", until)
    if not to_terminal:
        check_file(file)
    with ledger_of_platform() as (settings, registry):
        named_bot = None if bot is None else registry.bot(bot).id
        named_account = None if account is None else registry.account(account).name
        with (
            closing(connect(settings.dsn(), "alpha-export", statement_timeout_s=600)) as connection,
            exported_rows(connection, Exported(what), since=first, until=end, bot=named_bot, account=named_account) as (
                columns,
                batches,
            ),
        ):
            if to_terminal:
                write_csv(sys.stdout, columns, batches)
                return 0
            with writing(file):
                written = write_table(file, form, columns, batches)
    click.echo(f"{written} {what if what == 'funding' else what[:-1] if written == 1 else what} in {file}", err=True)
    return 0
