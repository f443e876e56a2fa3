"""`alpha paper-exchange`."""

from __future__ import annotations

from typing import Any

import click

from alpha.commands.shape import example, one_line
from paper_exchange.command import HELP, options_of, with_options
from paper_exchange.pointing import page


@click.command(
    "paper-exchange",
    help=HELP,
    epilog=page()
    + "\n\n"
    + example(
        "alpha paper-exchange --accounts accounts.json --symbols BTCUSDT,ETHUSDT --journal fills.jsonl --match at-once",
        "alpha paper-exchange --accounts accounts.json --symbols BTCUSDT --journal fills.jsonl --live --state live/",
    ),
)
@with_options
@one_line
def paper_exchange(**given: Any) -> None:
    """Runs the exchange until stopped."""
    options = options_of(**given)
    from alpha.config import load_settings
    from alpha.service.logging import configure_logging
    from paper_exchange.server.app import run

    configure_logging("paper-exchange", load_settings())
    run(options)
