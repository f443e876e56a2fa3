"""`alpha trade-sync`: the sync service."""

from __future__ import annotations

import click

from alpha.commands.shape import example, one_line


@click.command("trade-sync", epilog=example("alpha trade-sync"))
@one_line
def trade_sync() -> None:
    """Runs the sync service: every account compared with the exchange, each hour and on demand.

    `alpha up` runs it by itself.
    """
    from alpha.config import load_registry, load_settings
    from alpha.service.logging import configure_logging
    from trade_sync_service.main import main

    settings = load_settings()
    configure_logging("trade_sync_service", settings)
    main(settings, load_registry(settings.alpha_bots_file))
