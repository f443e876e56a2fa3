"""`python -m paper_exchange`: the exchange alone, without the rest of the platform."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from alpha.config import load_settings
from alpha.domain.errors import AlphaError
from alpha.service.logging import configure_logging
from paper_exchange.command import HELP, options_of, with_options
from paper_exchange.pointing import page


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a requested end, 2 with one line on stderr when it cannot start."""
    try:
        _command.main(None if arguments is None else list(arguments), "paper_exchange", standalone_mode=False)
    except click.UsageError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    except AlphaError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


@click.command(help=HELP, epilog=page(), context_settings={"max_content_width": 120})
@with_options
def _command(**given: Any) -> None:
    options = options_of(**given)
    configure_logging("paper-exchange", load_settings())
    from paper_exchange.server.app import run

    run(options)


if __name__ == "__main__":
    sys.exit(main())
