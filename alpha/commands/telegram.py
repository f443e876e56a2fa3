"""`alpha telegram`: the command centre."""

from __future__ import annotations

import click

from alpha.commands.shape import example, one_line


@click.command(epilog=example("alpha telegram"))
@one_line
def telegram() -> None:
    """Runs the command centre: commands and notifications over Telegram. Needs C2_TELEGRAM_BOT_TOKEN."""
    from alpha.config import environment, load_registry, load_settings
    from alpha.service.logging import configure_logging
    from telegram_manager.main import main as run

    environ = environment()
    settings = load_settings(environ)
    configure_logging("telegram_manager", settings)
    run(settings, load_registry(settings.alpha_bots_file).in_use(environ))
