"""`alpha report`: what each bot made in a month, and whether it is proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line

if TYPE_CHECKING:
    from alpha.reporting.month import Month

_WIDE = 120


class MonthType(click.ParamType["Month"]):
    """A month as people write it."""

    name = "month"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        from alpha.domain.errors import InvalidValue
        from alpha.reporting.month import Month

        try:
            return Month.parse(value)
        except InvalidValue as error:
            self.fail(f"{error}.", param, ctx)


@click.command(
    epilog=example(
        "alpha report --month 2025-01", "alpha report --month 2025-01 --html january.html", "alpha report --json"
    )
)
@click.option("--month", type=MonthType(), default=None, help="Of the market, UTC.  [default: that of the last fill]")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Also as a page with plots, in FILE."
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def report(month: Month | None, html: Path | None, as_json: bool) -> int:
    """Reports a month: each bot, the portfolio, and the proof's verdict on it. Exit code 1 when it is not proven.

    The verdict is that of `alpha proof` and of its nightly runs, as they are stored; a day of trading that nobody has
    judged counts as not proven. Without a running platform the one that was kept is read.
    """
    import json
    from contextlib import closing

    from rich.console import Console

    from alpha.commands.output import check_file, writing
    from alpha.ledger.connection import connect
    from alpha.local.kept import ledger_of_platform
    from alpha.reporting.reading import newest_month, read_month
    from alpha.reporting.telling import show

    check_file(html)
    with (
        ledger_of_platform() as (settings, _),
        closing(connect(settings.dsn(), "alpha-report", statement_timeout_s=120)) as connection,
    ):
        made = read_month(connection, month or newest_month(connection))
    if html is not None:
        from alpha.reporting.page import as_page

        page = as_page(made)
        with writing(html):
            html.write_text(page, encoding="utf-8")
        click.echo(f"wrote {html}", err=True)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=2))
    else:
        # What is piped or logged is not cut to the eighty columns of a terminal that is not there.
        console = Console()
        show(console if console.is_terminal else Console(width=_WIDE), made)
    return 0 if made.proof.holds else FAILED
